# SPDX-License-Identifier: Apache-2.0
"""The failover demo: the document's own commands, one after another, each compared with what the
document shows (story), and what goes beyond it (beyond), on a stage of real clusters (stage).

Must not: know how brokers or gateways are started (contrib/kafkalab).  contrib/failover-demo is the
command line.
"""
