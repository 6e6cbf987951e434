# SPDX-License-Identifier: Apache-2.0
"""How mails are written down: CRLF, and nothing beyond ASCII, which every server passes on."""

from email import policy

WIRE = policy.SMTP.clone(cte_type="7bit")
