// SPDX-License-Identifier: Apache-2.0
// How the gateway itself says no. Codes and members are those that the services use for the same.

import tokens from 'tokens.js';

const RETRY_SECONDS = '1';
// In three seconds even the narrowest limit, that of sign-ups, has let one more through.
const LIMITED_RETRY_SECONDS = '3';
const ENVELOPE_PATH = /^\/api\/(?:user|picture)(?:\/|$)/;
const SEED_PATH = /^\/(?:users|products?|addToCars|api|customer|cart|order)(?:\/|$)/;
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

const KINDS = {
    bad_request: [400, 'The request is not well formed.'],
    token_missing: [401, 'This needs a token: Authorization: Bearer …'],
    token_expired: [401, 'The token has expired; get a new one.'],
    token_invalid: [401, 'The token is not valid.'],
    forbidden: [403, 'You may not do this.'],
    not_found: [404, 'There is nothing here.'],
    method_not_allowed: [405, 'Nothing here takes this method.'],
    request_timeout: [408, 'The request took too long to arrive.'],
    length_required: [411, 'Send a Content-Length.'],
    request_entity_too_large: [413, 'The body is too large.'],
    uri_too_long: [414, 'The address is too long.'],
    range_not_satisfiable: [416, 'There is no such range.'],
    too_many_requests: [429, 'Too many requests; try again a little later.'],
    request_header_fields_too_large: [431, 'The headers are too large.'],
    internal_server_error: [500, 'Something went wrong on our side; the request id finds it in the logs.'],
    not_implemented: [501, 'This transfer encoding is not understood.'],
    bad_gateway: [502, 'The service behind this did not answer; try again.'],
    unavailable: [503, 'Something that this needs is not available; try again.'],
    http_version_not_supported: [505, 'This version of HTTP is not understood.'],
};

// The seed's own numbers; where it has none, the status is the number.
const ENVELOPE_CODES = {
    bad_request: 2,
    request_entity_too_large: 2,
    token_missing: 7,
    token_expired: 8,
    token_invalid: 9,
};

function answer(r) {
    const uri = r.variables.request_uri || '';
    const path = uri.split('?')[0];
    const code = codeOf(r, Number(r.uri.split('/').pop()), path);
    setHeaders(r, code);
    if (ENVELOPE_PATH.test(path)) {
        answerEnvelope(r, code);
    } else {
        answerProblem(r, code, path);
    }
}

function codeOf(r, status, path) {
    if (status === 401) {
        return tokenCode(r);
    }
    if (status === 502 && !SEED_PATH.test(path)) {
        return 'unavailable';
    }
    const code = Object.keys(KINDS).filter((name) => KINDS[name][0] === status)[0];
    return code || 'internal_server_error';
}

function tokenCode(r) {
    const error = r.variables.auth_error;
    if (error === 'unavailable') {
        return 'unavailable';
    }
    if (error === 'expired') {
        return 'token_expired';
    }
    return tokens.sent(r) ? 'token_invalid' : 'token_missing';
}

function setHeaders(r, code) {
    const status = KINDS[code][0];
    if (status === 401) {
        r.headersOut['WWW-Authenticate'] = 'Bearer realm="souk"';
    }
    if (status === 405) {
        r.headersOut['Allow'] = METHODS;
    }
    if (status === 429) {
        r.headersOut['Retry-After'] = LIMITED_RETRY_SECONDS;
    }
    if (status === 503) {
        r.headersOut['Retry-After'] = RETRY_SECONDS;
    }
}

function answerProblem(r, code, path) {
    const status = KINDS[code][0];
    const detail = KINDS[code][1];
    const title = code.replace(/_/g, ' ');
    r.headersOut['Content-Type'] = 'application/problem+json';
    r.return(status, JSON.stringify({
        type: '/problems/' + code.replace(/_/g, '-'),
        title: title.charAt(0).toUpperCase() + title.slice(1),
        status: status,
        detail: detail,
        instance: path,
        request_id: r.variables.request_id,
        code: code,
        message: detail,
        errors: {},
    }));
}

function answerEnvelope(r, code) {
    // That seed says 403 where no token came at all.
    const status = code === 'token_missing' ? 403 : KINDS[code][0];
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, JSON.stringify({
        message: KINDS[code][1],
        code: ENVELOPE_CODES[code] || status,
        data: null,
    }));
}

export default { answer };
