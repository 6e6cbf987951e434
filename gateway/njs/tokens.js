// SPDX-License-Identifier: Apache-2.0
// How a token comes in: with or without "Bearer", or under the name that one seed misspells.
// Whether it is any good is for verdicts.js to say.

import hashing from 'crypto';

// One expression, because each costs a reader some microseconds.
const TOKEN = /^(?:[Bb][Ee][Aa][Rr][Ee][Rr] +)?([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/;
const LONGEST = 4096;

function sent(r) {
    return (r.headersIn['Authorization'] || r.headersIn['Autorization'] || '').trim();
}

/** The JWT of the request, or "" where there is none or something else. */
function parsed(r) {
    const found = TOKEN.exec(sent(r));
    return found && found[1].length <= LONGEST ? found[1] : '';
}

/** What stands for the token in caches and limits, so that the token itself is never stored. */
function hash(r) {
    const token = parsed(r);
    return token && hashing.createHash('sha256').update(token).digest('base64url');
}

export default { sent, parsed, hash };
