# SPDX-License-Identifier: MIT
"""The page-replacement laboratory."""
