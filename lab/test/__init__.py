# SPDX-License-Identifier: MIT
"""The test runner, and what tests of the host use."""
