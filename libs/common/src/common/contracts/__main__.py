# SPDX-License-Identifier: Apache-2.0
"""``python -m common.contracts`` writes the events' JSON Schemas beside their classes."""

from common.contracts.schemas import write_schemas

write_schemas()
