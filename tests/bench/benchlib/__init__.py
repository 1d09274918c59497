# SPDX-License-Identifier: Apache-2.0
"""The bench in three parts: what is measured (paths), how (measure), and what is made of it (report)."""
