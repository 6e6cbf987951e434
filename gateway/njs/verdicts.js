// SPDX-License-Identifier: Apache-2.0
// Whether a token is one of ours and still good. Everything here is decided by us, nothing by the
// token: it can't choose the algorithm, nor say where its key is.

import tokens from 'tokens.js';

const ALGORITHM = 'ES256';
const ROLES = ['admin', 'user', 'analyst'];
const KEY_ID = /^[A-Za-z0-9_.-]{1,128}$/;
const USER_ID = /^[1-9][0-9]{0,17}$/;
const SIGNATURE_BYTES = 64;
const COORDINATE_BYTES = 32;
// A P-256 public key as SubjectPublicKeyInfo is this and the two coordinates.
const KEY_PREFIX = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';
const LONGEST_VERDICT_SECONDS = 30;
// So long after a write further ones are not looked at again.
const WRITE_SECONDS = 8;
// As long as a slow write may take, the second for which a page is cached, and what a replica of the
// database may be behind.
const WRITER_SECONDS = 16;

/** Answers 204 with who it is, or 401 with why not; 200 where nobody is refused for a bad token. */
async function answer(r) {
    const token = (r.headersIn['Authorization'] || '').slice('Bearer '.length);
    const now = Math.floor(Date.now() / 1000);
    const verdict = await judge(r, token, now);
    if (verdict.error) {
        refuse(r, verdict.error);
        return;
    }
    const claims = verdict.claims;
    const name = encodeURIComponent(claims.name);
    // nginx keeps an answer through the whole of its last second, so the last one is left out.
    const until = (seconds) => Math.min(now + seconds, claims.exp - 1);
    const writes = r.headersIn['X-Auth-Writes'] === '1';
    if (writes) {
        const who = 'sub=' + claims.sub + '&role=' + claims.role + '&name=' + name;
        const kept = '&until=' + until(WRITE_SECONDS + WRITER_SECONDS) + '&token=' + tokens.hash(r);
        if ((await r.subrequest('/_writer', who + kept)).status !== 204) {
            refuse(r, 'unavailable');
            return;
        }
    }
    r.headersOut['X-Auth-Sub'] = claims.sub;
    r.headersOut['X-Auth-Role'] = claims.role;
    r.headersOut['X-Auth-Name'] = name;
    r.headersOut['X-Accel-Expires'] = '@' + until(writes ? WRITE_SECONDS : LONGEST_VERDICT_SECONDS);
    r.return(204);
}

function refuse(r, error) {
    r.headersOut['X-Auth-Error'] = error;
    r.headersOut['X-Accel-Expires'] = '0';
    r.return(r.headersIn['X-Auth-Mode'] === 'required' ? 401 : 200);
}

async function judge(r, token, now) {
    const parts = token.split('.');
    const header = decoded(parts[0]);
    const claims = decoded(parts[1]);
    if (parts.length !== 3 || !header || !claims || !isHeaderOurs(header)) {
        return { error: 'invalid' };
    }
    const signature = Buffer.from(parts[2], 'base64url');
    // The last character has bits to spare: without this, several spellings would be the same token.
    if (signature.length !== SIGNATURE_BYTES || signature.toString('base64url') !== parts[2]) {
        return { error: 'invalid' };
    }
    const found = await findKey(r, header.kid);
    if (found.error) {
        return found;
    }
    const signed = Buffer.from(parts[0] + '.' + parts[1]);
    const method = { name: 'ECDSA', hash: 'SHA-256' };
    if (!(await crypto.subtle.verify(method, found.key, signature, signed))) {
        return { error: 'invalid' };
    }
    return judgeClaims(claims, r.variables.token_issuer, r.variables.token_audience, now);
}

function decoded(part) {
    try {
        const value = JSON.parse(Buffer.from(part, 'base64url').toString());
        return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch (error) {
        return null;
    }
}

function isHeaderOurs(header) {
    return header.alg === ALGORITHM && typeof header.kid === 'string' && KEY_ID.test(header.kid)
        && header.crit === undefined && header.b64 === undefined;
}

function judgeClaims(claims, issuer, audience, now) {
    const isOurs = claims.iss === issuer && claims.aud === audience && claims.typ === 'access'
        && typeof claims.sub === 'string' && USER_ID.test(claims.sub)
        && ROLES.indexOf(claims.role) >= 0 && isName(claims.name)
        && typeof claims.jti === 'string' && claims.jti !== ''
        && isTime(claims.epoch) && isTime(claims.exp) && isTime(claims.nbf) && isTime(claims.iat)
        && claims.nbf <= now && claims.iat <= now;
    if (!isOurs) {
        return { error: 'invalid' };
    }
    return claims.exp <= now ? { error: 'expired' } : { claims: claims };
}

function isTime(value) {
    return Number.isSafeInteger(value) && value >= 0;
}

function isName(value) {
    try {
        return typeof value === 'string' && encodeURIComponent(value) !== '';
    } catch (error) {
        return false;  // half of a surrogate pair
    }
}

async function findKey(r, kid) {
    const kept = await keys(r, '/_keys');
    const known = named(kept, kid);
    if (known) {
        return importKey(known);
    }
    const recent = await keys(r, '/_recent_keys');
    const newest = named(recent, kid);
    if (newest) {
        return importKey(newest);
    }
    return { error: kept || recent ? 'invalid' : 'unavailable' };
}

function named(keys, kid) {
    return keys && keys.filter((key) => key && key.kid === kid)[0];
}

async function keys(r, location) {
    const reply = await r.subrequest(location);
    if (reply.status !== 200) {
        return null;
    }
    const document = parsedJSON(reply.responseText);
    return document && Array.isArray(document.keys) ? document.keys : null;
}

function parsedJSON(text) {
    try {
        return JSON.parse(text);
    } catch (error) {
        return null;
    }
}

async function importKey(jwk) {
    try {
        const x = Buffer.from(jwk.x, 'base64url');
        const y = Buffer.from(jwk.y, 'base64url');
        if (jwk.kty === 'EC' && jwk.crv === 'P-256' && x.length + y.length === 2 * COORDINATE_BYTES) {
            const spki = Buffer.concat([Buffer.from(KEY_PREFIX, 'hex'), x, y]);
            const kind = { name: 'ECDSA', namedCurve: 'P-256' };
            return { key: await crypto.subtle.importKey('spki', spki, kind, false, ['verify']) };
        }
    } catch (error) {
        // Then auth tells us something else than keys; that is not the token's fault.
    }
    return { error: 'unavailable' };
}

export default { answer };
