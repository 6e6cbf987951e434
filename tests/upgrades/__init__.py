# SPDX-License-Identifier: Apache-2.0
"""What happens to a running shop while it is renewed."""
