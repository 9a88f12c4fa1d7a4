//! The schema of a query store: tables as data, and the statements that make them, in both dialects.
//!
//! In:  nothing.
//! Out: names and kinds of columns, keys, and for each version of the schema the statements that lead to it from the one before.
//! Amounts are exact: text in SQLite (which has no decimal), `NUMERIC` in PostgreSQL. A time `ts` is `ts_ns`, integer nanoseconds since
//! 1970 UTC, and beside it `ts` for people: computed text in SQLite, `TIMESTAMPTZ` (whole microseconds) in PostgreSQL.

use std::fmt::Write as _;

/// Version of the schema that this build writes and reads.
pub const VERSION: i64 = 2;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// An exact decimal number.
    Decimal,
    /// True or false.
    Flag,
    /// An instant: two columns, `NAME_ns` and `NAME`.
    Time,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether it may be unknown.
    pub nullable: bool,
}

/// What becomes of a row whose key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It stays as it is: the same record gives the same row.
    Same,
    /// It is replaced, unless what is there has a higher number in this column.
    Newer(&'static str),
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the order of the values of a row.
    pub columns: &'static [Column],
    /// The columns of its key.
    pub key: &'static [&'static str],
    /// What becomes of a row that comes again.
    pub again: Again,
    /// Whether it is cut into parts by the column `ts` where the database can do so.
    pub by_time: bool,
}

const fn c(name: &'static str, holds: Holds) -> Column {
    Column { name, holds, nullable: false }
}

const fn maybe(name: &'static str, holds: Holds) -> Column {
    Column { name, holds, nullable: true }
}

use Holds::{Decimal, Flag, Int, Text, Time};

/// Runs: what they are, and how far they came.
pub const RUNS: Table = Table {
    name: "runs",
    columns: &[
        c("run", Text),
        c("name", Text),
        c("folder", Text),
        c("kind", Text),
        c("began", Text),
        c("build", Text),
        c("state", Text),
        maybe("first", Time),
        maybe("last", Time),
        c("seq", Int),
        maybe("rows", Int),
        maybe("digest", Text),
        maybe("state_digest", Text),
        c("config", Text),
    ],
    key: &["run"],
    again: Again::Newer("seq"),
    by_time: false,
};

/// Orders as they stand.
pub const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        c("run", Text),
        c("order_id", Text),
        c("ts", Time),
        c("seq", Int),
        c("account", Int),
        c("symbol", Text),
        c("strategy", Int),
        maybe("strategy_name", Text),
        c("side", Text),
        c("type", Text),
        maybe("quantity", Decimal),
        c("quantity_in", Text),
        maybe("price", Decimal),
        maybe("trigger_price", Decimal),
        c("time_in_force", Text),
        c("class", Text),
        c("post_only", Flag),
        c("reduce_only", Flag),
        c("status", Text),
        c("filled", Decimal),
        maybe("venue_order", Text),
        maybe("reason", Text),
        c("updated", Time),
        c("updated_seq", Int),
    ],
    key: &["run", "order_id", "ts"],
    again: Again::Newer("updated_seq"),
    by_time: true,
};

/// Executions, each once, with what they did to the strategy's position.
pub const FILLS: Table = Table {
    name: "fills",
    columns: &[
        c("run", Text),
        c("seq", Int),
        c("n", Int),
        c("ts", Time),
        c("account", Int),
        c("order_id", Text),
        c("symbol", Text),
        c("strategy", Int),
        maybe("strategy_name", Text),
        c("side", Text),
        c("quantity", Decimal),
        c("price", Decimal),
        c("fee", Decimal),
        c("fee_asset", Text),
        c("liquidity", Text),
        c("venue_order", Text),
        c("trade", Text),
        c("quote", Text),
        maybe("realised", Decimal),
        maybe("fee_value", Decimal),
        maybe("opened", Decimal),
        maybe("closed", Decimal),
        maybe("position", Decimal),
        maybe("position_cost", Decimal),
    ],
    key: &["run", "seq", "n", "ts"],
    again: Again::Same,
    by_time: true,
};

/// Funding and transfers.
pub const CASH: Table = Table {
    name: "cash",
    columns: &[
        c("run", Text),
        c("seq", Int),
        c("n", Int),
        c("ts", Time),
        c("kind", Text),
        c("account", Int),
        maybe("symbol", Text),
        c("asset", Text),
        c("amount", Decimal),
    ],
    key: &["run", "seq", "n", "ts"],
    again: Again::Same,
    by_time: false,
};

/// Positions as they stand, with what they brought.
pub const POSITIONS: Table = Table {
    name: "positions",
    columns: &[
        c("run", Text),
        c("account", Int),
        c("symbol", Text),
        c("strategy", Int),
        maybe("strategy_name", Text),
        c("quantity", Decimal),
        c("cost", Decimal),
        c("realised", Decimal),
        c("fees", Decimal),
        c("quote", Text),
        c("fills", Int),
        c("updated", Time),
        c("seq", Int),
    ],
    key: &["run", "account", "symbol", "strategy"],
    again: Again::Newer("seq"),
    by_time: false,
};

/// The value of the account, one row for each hour.
pub const EQUITY: Table = Table {
    name: "equity",
    columns: &[
        c("run", Text),
        c("n", Int),
        c("ts", Time),
        c("equity", Decimal),
        maybe("buy_and_hold", Decimal),
        maybe("drawdown", Decimal),
        maybe("gross_exposure", Decimal),
        maybe("net_exposure", Decimal),
    ],
    key: &["run", "n", "ts"],
    again: Again::Same,
    by_time: true,
};

/// What strategies said, and what was refused.
pub const SIGNALS: Table = Table {
    name: "signals",
    columns: &[
        c("run", Text),
        c("seq", Int),
        c("n", Int),
        c("ts", Time),
        c("kind", Text),
        c("symbol", Text),
        c("strategy", Int),
        maybe("strategy_name", Text),
        c("intent", Text),
        maybe("size", Text),
        maybe("entry_by", Text),
        maybe("stop", Text),
        maybe("target", Decimal),
        maybe("reference", Decimal),
        maybe("confidence", Decimal),
        maybe("reason", Text),
        maybe("measured", Decimal),
        maybe("limit_value", Decimal),
        maybe("largest_safe", Decimal),
    ],
    key: &["run", "seq", "n", "ts"],
    again: Again::Same,
    by_time: true,
};

/// Modes, alerts, limits, controls, recoveries, orders that were stopped, and whatever a later build records beside these.
pub const EVENTS: Table = Table {
    name: "events",
    columns: &[
        c("run", Text),
        c("seq", Int),
        c("n", Int),
        c("ts", Time),
        c("kind", Text),
        maybe("symbol", Text),
        maybe("strategy", Int),
        maybe("order_id", Text),
        c("detail", Text),
    ],
    key: &["run", "seq", "n", "ts"],
    again: Again::Same,
    by_time: true,
};

/// Where each entry of the audit log stands.
pub const AUDIT: Table = Table {
    name: "audit_index",
    columns: &[
        c("run", Text),
        c("seq", Int),
        c("n", Int),
        c("ts", Time),
        maybe("entry", Int),
        c("kind", Text),
        maybe("symbol", Text),
        maybe("strategy", Int),
        maybe("order_id", Text),
    ],
    key: &["run", "seq", "n", "ts"],
    again: Again::Same,
    by_time: true,
};

/// How far each run is written: changed in the transaction that writes the rows.
pub const PROGRESS: Table = Table {
    name: "progress",
    columns: &[c("run", Text), c("seq", Int), c("records_of_seq", Int), c("records", Int), c("equity", Int)],
    key: &["run"],
    again: Again::Newer("records"),
    by_time: false,
};

/// All tables that rows of runs are in, in the order of [`super::Batch::rows`].
pub const TABLES: [&Table; 10] =
    [&RUNS, &ORDERS, &FILLS, &CASH, &POSITIONS, &EQUITY, &SIGNALS, &EVENTS, &AUDIT, &PROGRESS];

/// How a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL; tables by time are cut into native partitions, one a month.
    Partitions,
    /// PostgreSQL with TimescaleDB: tables by time are made into hypertables afterwards.
    Timescale,
}

impl Table {
    /// Names of the columns that a row's values go into, an instant being two in PostgreSQL and one in SQLite.
    pub(super) fn stored(&self, dialect: Dialect) -> Vec<String> {
        let mut names = Vec::with_capacity(self.columns.len() + 2);
        for column in self.columns {
            match column.holds {
                Holds::Time if dialect == Dialect::Sqlite => names.push(format!("{}_ns", column.name)),
                Holds::Time => names.extend([format!("{}_ns", column.name), column.name.to_owned()]),
                _ => names.push(column.name.to_owned()),
            }
        }
        names
    }

    fn key_of(&self, dialect: Dialect) -> String {
        let stored = |name: &&str| match (*name, dialect) {
            ("ts", Dialect::Sqlite) => "ts_ns".to_owned(),
            (name, _) => name.to_owned(),
        };
        self.key.iter().map(stored).collect::<Vec<_>>().join(", ")
    }

    /// The columns with their types.
    fn definitions(&self, dialect: Dialect) -> String {
        let mut out = Vec::with_capacity(self.columns.len() + 2);
        for column in self.columns {
            let (name, null) = (column.name, if column.nullable { "" } else { " NOT NULL" });
            let sqlite = dialect == Dialect::Sqlite;
            match column.holds {
                Holds::Text => out.push(format!("{name} TEXT{null}")),
                Holds::Int if sqlite => out.push(format!("{name} INTEGER{null}")),
                Holds::Int => out.push(format!("{name} BIGINT{null}")),
                Holds::Decimal if sqlite => out.push(format!("{name} TEXT{null}")),
                Holds::Decimal => out.push(format!("{name} NUMERIC{null}")),
                Holds::Flag if sqlite => out.push(format!("{name} INTEGER{null}")),
                Holds::Flag => out.push(format!("{name} BOOLEAN{null}")),
                Holds::Time if sqlite => {
                    out.push(format!("{name}_ns INTEGER{null}"));
                    // Whole seconds by integer division: a division of doubles would round instants to the next day.
                    out.push(format!(
                        "{name} TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%S', {name}_ns / 1000000000, 'unixepoch') || \
                         printf('.%09dZ', {name}_ns % 1000000000)) VIRTUAL"
                    ));
                }
                Holds::Time => {
                    out.push(format!("{name}_ns BIGINT{null}"));
                    out.push(format!("{name} TIMESTAMPTZ{null}"));
                }
            }
        }
        out.join(", ")
    }

    fn create(&self, dialect: Dialect) -> String {
        let mut sql = format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({}))",
            self.name,
            self.definitions(dialect),
            self.key_of(dialect)
        );
        match dialect {
            Dialect::Sqlite => sql.push_str(" WITHOUT ROWID"),
            Dialect::Partitions if self.by_time => sql.push_str(" PARTITION BY RANGE (ts)"),
            Dialect::Partitions | Dialect::Timescale => {}
        }
        sql
    }

    /// A table of the session with the same columns, into which rows are copied first. PostgreSQL only.
    pub(super) fn create_stage(&self) -> String {
        let definitions = self.definitions(Dialect::Partitions);
        format!("CREATE TEMP TABLE IF NOT EXISTS stage_{} ({definitions}) ON COMMIT DELETE ROWS", self.name)
    }

    /// What follows the rows of an insert: what becomes of those that are there.
    fn on_conflict(&self, dialect: Dialect) -> String {
        match self.again {
            Again::Same => " ON CONFLICT DO NOTHING".to_owned(),
            Again::Newer(by) => {
                let mut sql = format!(" ON CONFLICT ({}) DO UPDATE SET ", self.key_of(dialect));
                let key: Vec<String> = self.key_of(dialect).split(", ").map(str::to_owned).collect();
                let set: Vec<String> = (self.stored(dialect).iter())
                    .filter(|name| !key.contains(name))
                    .map(|name| format!("{name} = excluded.{name}"))
                    .collect();
                // Writing into a String cannot fail.
                let _ = write!(sql, "{} WHERE excluded.{by} >= {}.{by}", set.join(", "), self.name);
                sql
            }
        }
    }

    /// Writes one row, its values as parameters. SQLite only.
    pub(super) fn insert(&self) -> String {
        let names = self.stored(Dialect::Sqlite);
        let marks = vec!["?"; names.len()].join(", ");
        format!(
            "INSERT INTO {} ({}) VALUES ({marks}){}",
            self.name,
            names.join(", "),
            self.on_conflict(Dialect::Sqlite)
        )
    }

    /// Writes what was copied into the stage. PostgreSQL only.
    pub(super) fn insert_stage(&self) -> String {
        let names = self.stored(Dialect::Partitions).join(", ");
        format!(
            "INSERT INTO {0} ({names}) SELECT {names} FROM stage_{0}{1}",
            self.name,
            self.on_conflict(Dialect::Partitions)
        )
    }

    /// Makes the part of a table by time that holds a month, unless it is there. Native partitions only.
    pub(super) fn create_month(&self, year: i16, month: i8) -> String {
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        format!(
            "CREATE TABLE IF NOT EXISTS {0}_{year:04}_{month:02} PARTITION OF {0} \
             FOR VALUES FROM ('{year:04}-{month:02}-01 00:00:00+00') TO ('{next_year:04}-{next_month:02}-01 00:00:00+00')",
            self.name
        )
    }
}

/// The statements that lead to this version from the one before.
pub(super) fn migration(version: i64, dialect: Dialect) -> Vec<String> {
    match version {
        1 => TABLES.iter().map(|table| table.create(dialect)).collect(),
        2 => {
            let mut all = vec![
                "CREATE INDEX fills_by_time ON fills (ts_ns)".to_owned(),
                "CREATE INDEX orders_by_time ON orders (ts_ns)".to_owned(),
                "CREATE INDEX signals_by_time ON signals (ts_ns)".to_owned(),
            ];
            match dialect {
                Dialect::Sqlite => all.push(daily_pnl("date(ts_ns / 1000000000, 'unixepoch')")),
                Dialect::Partitions => {
                    all.push(EXACT_SUM.to_owned());
                    all.push(daily_pnl("(ts AT TIME ZONE 'UTC')::date"));
                }
                // The view is a continuous aggregate there, and made outside of a transaction.
                Dialect::Timescale => all.push(EXACT_SUM.to_owned()),
            }
            all
        }
        _ => Vec::new(),
    }
}

/// The exact sum of decimals, under the name that it has in SQLite too.
const EXACT_SUM: &str = "CREATE OR REPLACE AGGREGATE exact_sum(NUMERIC) (SFUNC = numeric_add, STYPE = NUMERIC, INITCOND = '0', FINALFUNC = trim_scale)";

/// What was realised and paid by day, before funding.
pub(super) fn daily_pnl(day: &str) -> String {
    format!(
        "CREATE VIEW daily_pnl AS SELECT run, {day} AS day, strategy, symbol, quote, count(*) AS fills, \
         exact_sum(realised) AS realised, exact_sum(fee_value) AS fees FROM fills \
         GROUP BY run, {day}, strategy, symbol, quote"
    )
}

/// The day, UTC, of the column `ts` as text.
#[must_use]
pub const fn day_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "date(ts_ns / 1000000000, 'unixepoch')",
        Dialect::Partitions | Dialect::Timescale => "to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_in_both_dialects() {
        for table in TABLES {
            let sqlite = table.create(Dialect::Sqlite);
            let partitions = table.create(Dialect::Partitions);
            for column in table.columns {
                assert!(sqlite.contains(column.name) && partitions.contains(column.name), "{}", column.name);
            }
            for key in table.key {
                assert!(table.columns.iter().any(|c| c.name == *key && !c.nullable), "{}.{key}", table.name);
            }
            assert_eq!(partitions.contains("PARTITION BY RANGE (ts)"), table.by_time);
            // A table that is cut by time has the time in its key, as both kinds of partitions ask for.
            assert!(!table.by_time || table.key.contains(&"ts"), "{}", table.name);
            if let Again::Newer(by) = table.again {
                assert!(table.columns.iter().any(|c| c.name == by && c.holds == Holds::Int), "{}.{by}", table.name);
            }
        }
    }

    #[test]
    fn a_year_ends_in_the_next_one() {
        assert_eq!(
            FILLS.create_month(2024, 12),
            "CREATE TABLE IF NOT EXISTS fills_2024_12 PARTITION OF fills FOR VALUES FROM ('2024-12-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')"
        );
    }
}
