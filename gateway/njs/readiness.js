// SPDX-License-Identifier: Apache-2.0
// Whether the whole house is ready: every service is asked at the same time.

const SERVICES = ['auth', 'catalog', 'orders', 'notifier', 'analytics'];

async function answer(r) {
    const replies = await Promise.all(SERVICES.map((name) => r.subrequest('/_ready/' + name)));
    const services = {};
    let ok = true;
    for (let index = 0; index < SERVICES.length; index++) {
        const report = reported(replies[index]);
        services[SERVICES[index]] = report;
        ok = ok && report.ok;
    }
    r.headersOut['Content-Type'] = 'application/json';
    r.return(ok ? 200 : 503, JSON.stringify({ ok: ok, services: services }));
}

function reported(reply) {
    const report = own(reply.responseText);
    if (!report) {
        return { ok: false, error: 'no answer' };
    }
    report.ok = report.ok && reply.status === 200;
    return report;
}

/** The service's own report; what nginx says for a service that is down is none. */
function own(text) {
    try {
        const report = JSON.parse(text);
        return report && typeof report.ok === 'boolean' ? report : null;
    } catch (error) {
        return null;
    }
}

export default { answer };
