# SPDX-License-Identifier: Apache-2.0
"""What the seed surfaces share: the manners that their clients know from the older APIs."""

import re

SEED_PATH = re.compile(r"/(?:users|products?|addToCars|api|customer|cart|order)(?:/|$)")
"""Every path of the older APIs; the gateway's ``problems.js`` knows the same ones."""
