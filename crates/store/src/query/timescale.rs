//! What is different where the server has TimescaleDB: tables by time are hypertables instead of native partitions; old chunks are
//! compressed, and the daily result is a continuous aggregate, under the licence that has both.
//!
//! Sources: docs.timescale.com, `create_hypertable`, `add_compression_policy`, `CREATE MATERIALIZED VIEW (continuous)`,
//! `add_continuous_aggregate_policy`, `add_retention_policy` (2.11 and later).

use super::schema::{self, TABLES};

/// Answers a row where the extension can be had.
pub(super) const AVAILABLE: &str = "SELECT name FROM pg_available_extensions WHERE name = 'timescaledb'";
/// Switches it on.
pub(super) const SWITCH_ON: &str = "CREATE EXTENSION IF NOT EXISTS timescaledb";
/// `timescale` (the community edition) or `apache`, which has hypertables alone.
pub(super) const LICENCE: &str = "SHOW timescaledb.license";

/// After so long a chunk is not written any more in the ordinary course of things, and is compressed.
const COMPRESS_AFTER: &str = "INTERVAL '35 days'";
/// Signals may expire, as they do in the journal; orders, fills, modes and the audit index never do.
const KEEP_SIGNALS: &str = "INTERVAL '400 days'";

/// The statements, in their order, each outside of a transaction.
pub(super) fn statements(community: bool) -> Vec<String> {
    let mut all = Vec::new();
    let by_time = || TABLES.iter().filter(|table| table.by_time).map(|table| table.name);
    for table in by_time() {
        all.push(format!(
            "SELECT create_hypertable('{table}', 'ts', chunk_time_interval => INTERVAL '1 month', migrate_data => true, \
             if_not_exists => true)"
        ));
    }
    if !community {
        all.push(schema::daily_pnl(DAY));
        return all;
    }
    for table in by_time() {
        all.push(format!(
            "ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = 'run', \
             timescaledb.compress_orderby = 'ts')"
        ));
        all.push(format!("SELECT add_compression_policy('{table}', {COMPRESS_AFTER}, if_not_exists => true)"));
    }
    all.push(
        "CREATE MATERIALIZED VIEW daily_pnl WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS \
         SELECT run, time_bucket(INTERVAL '1 day', ts) AS day, strategy, symbol, quote, count(*) AS fills, \
         sum(realised) AS realised, sum(fee_value) AS fees FROM fills \
         GROUP BY run, time_bucket(INTERVAL '1 day', ts), strategy, symbol, quote WITH NO DATA"
            .to_owned(),
    );
    all.push(
        "SELECT add_continuous_aggregate_policy('daily_pnl', start_offset => INTERVAL '35 days', end_offset => INTERVAL '1 hour', \
         schedule_interval => INTERVAL '1 hour', if_not_exists => true)"
            .to_owned(),
    );
    all.push(format!("SELECT add_retention_policy('signals', {KEEP_SIGNALS}, if_not_exists => true)"));
    all
}

const DAY: &str = "(ts AT TIME ZONE 'UTC')::date";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_by_time_is_a_hypertable_and_only_signals_expire() {
        let (community, apache) = (statements(true), statements(false));
        let tables: Vec<&str> = TABLES.iter().filter(|t| t.by_time).map(|t| t.name).collect();
        assert_eq!(tables, ["orders", "fills", "equity", "signals", "events", "audit_index"]);
        for table in tables {
            let of = |all: &[String], what: &str| all.iter().filter(|sql| sql.contains(what)).count();
            assert_eq!(of(&community, &format!("create_hypertable('{table}', 'ts'")), 1);
            assert_eq!(of(&apache, &format!("create_hypertable('{table}', 'ts'")), 1);
            assert_eq!(of(&community, &format!("add_compression_policy('{table}'")), 1);
            assert_eq!(of(&community, &format!("add_retention_policy('{table}'")), usize::from(table == "signals"));
        }
        // What the Apache edition refuses is not asked of it.
        assert!(
            apache
                .iter()
                .all(|sql| !sql.contains("compress") && !sql.contains("continuous") && !sql.contains("policy"))
        );
        assert!(apache.iter().any(|sql| sql.starts_with("CREATE VIEW daily_pnl")));
        assert!(community.iter().any(|sql| sql.starts_with("CREATE MATERIALIZED VIEW daily_pnl")));
    }
}
