// SPDX-License-Identifier: Apache-2.0
// What the view log may know about a viewer without a name.

import hashing from 'crypto';

/** Tells viewers apart and names nobody: without the key an address can't be found by trying all. */
function session(r) {
    return hashing.createHmac('sha256', r.variables.view_log_key)
        .update(r.remoteAddress + '\n' + (r.headersIn['User-Agent'] || ''))
        .digest('hex')
        .slice(0, 32);
}

export default { session };
