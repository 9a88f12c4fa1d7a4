//! The common questions as statements, the same in both dialects.
//!
//! In:  a question with its filters.
//! Out: one statement with its parameters; sums of money are exact (`exact_sum`).

use domain::{Money, UnixNanos};
use store::query::schema::day_of;
use store::query::{Answer, Database, Dialect, QueryError};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Runs, with counts.
    Runs,
    /// Orders as they stand.
    Orders,
    /// Executions.
    Fills,
    /// Open positions, and what each strategy brought in each instrument.
    Positions,
    /// What was realised and paid.
    Pnl,
    /// The value of the account by the hour.
    Equity,
    /// Signals and refusals.
    Signals,
    /// Modes, alerts, limits, controls, recoveries.
    Events,
    /// Where entries of the audit log are.
    Audit,
}

/// What the result is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// UTC days.
    Day,
    /// Strategies.
    Strategy,
    /// Instruments.
    Instrument,
}

/// Which rows are meant.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A run: its name, or the beginning of its number.
    pub run: Option<String>,
    /// A strategy: its number, or the beginning of its name.
    pub strategy: Option<String>,
    /// A symbol.
    pub instrument: Option<String>,
    /// From this time on.
    pub from: Option<UnixNanos>,
    /// Before this time.
    pub to: Option<UnixNanos>,
}

/// A statement with its parameters.
struct Statement {
    sql: String,
    parameters: Vec<String>,
}

impl Statement {
    fn parameter(&mut self, text: &str) -> String {
        self.parameters.push(text.to_owned());
        format!("?{}", self.parameters.len())
    }

    /// The condition that a filter makes of a table with these columns.
    fn matching(&mut self, filter: &Filter, has_strategy: bool, has_symbol: bool, time: Option<&str>) -> String {
        let mut all = vec!["1 = 1".to_owned()];
        if let Some(run) = &filter.run {
            let p = self.parameter(run);
            all.push(format!("t.run IN (SELECT run FROM runs WHERE name = {p} OR substr(run, 1, length({p})) = {p})"));
        }
        if let Some(strategy) = filter.strategy.as_deref().filter(|_| has_strategy) {
            let p = self.parameter(strategy);
            all.push(format!("(CAST(t.strategy AS TEXT) = {p} OR substr(t.strategy_name, 1, length({p})) = {p})"));
        }
        if let Some(symbol) = filter.instrument.as_deref().filter(|_| has_symbol) {
            let p = self.parameter(symbol);
            all.push(format!("t.symbol = {p}"));
        }
        if let Some(time) = time {
            for (at, how) in [(filter.from, ">="), (filter.to, "<")] {
                if let Some(at) = at {
                    let p = self.parameter(&at.0.to_string());
                    all.push(format!("t.{time} {how} {p}"));
                }
            }
        }
        all.join(" AND ")
    }
}

/// Asks a question; `by` is for [`Question::Pnl`] alone.
///
/// # Errors
/// [`QueryError`].
pub fn ask(
    database: &mut dyn Database,
    question: Question,
    filter: &Filter,
    by: Option<By>,
    limit: usize,
) -> Result<Answer, QueryError> {
    let statement = match question {
        Question::Pnl => pnl(database.dialect(), filter, by),
        other => plain(other, filter),
    };
    let parameters: Vec<&str> = statement.parameters.iter().map(String::as_str).collect();
    let mut answer = database.select(&statement.sql, &parameters, limit)?;
    if question == Question::Pnl {
        put_net(&mut answer)?;
    }
    put_times(&mut answer);
    Ok(answer)
}

/// Columns that are instants.
const TIMES: [&str; 4] = ["ts", "updated", "first", "last"];

/// Writes instants as ISO 8601 with nanoseconds, whatever the database keeps them as.
fn put_times(answer: &mut Answer) {
    for (at, _) in answer.columns.iter().enumerate().filter(|(_, name)| TIMES.contains(&name.as_str())) {
        for cell in answer.rows.iter_mut().filter_map(|row| row.get_mut(at)) {
            let time = cell.as_deref().and_then(|ns| jiff::Timestamp::from_nanosecond(ns.parse().ok()?).ok());
            if let Some(time) = time {
                *cell = Some(format!("{time:.9}"));
            }
        }
        for flags in [&mut answer.numeric, &mut answer.whole] {
            if let Some(flag) = flags.get_mut(at) {
                *flag = false;
            }
        }
    }
}

fn plain(question: Question, filter: &Filter) -> Statement {
    let mut s = Statement { sql: String::new(), parameters: Vec::new() };
    let named = |columns: &str, table: &str, condition: &str, order: &str| {
        format!(
            "SELECT r.name AS run, {columns} FROM {table} t JOIN runs r ON r.run = t.run WHERE {condition} ORDER BY {order}"
        )
    };
    let time = Some("ts_ns");
    s.sql = match question {
        Question::Runs => {
            let condition = s.matching(&Filter { run: filter.run.clone(), ..Filter::default() }, false, false, None);
            let count = |table: &str| format!("(SELECT count(*) FROM {table} x WHERE x.run = t.run)");
            format!(
                "SELECT t.name AS run, t.run AS id, t.kind, t.began, t.state, t.first_ns AS first, t.last_ns AS last, {} AS orders, {} AS fills, {} AS signals, \
                 t.seq, t.folder FROM runs t WHERE {condition} ORDER BY t.began, t.run",
                count("orders"),
                count("fills"),
                count("signals")
            )
        }
        Question::Orders => {
            let condition = s.matching(filter, true, true, time);
            let columns = "t.ts_ns AS ts, t.order_id, t.symbol, t.strategy, t.strategy_name, t.side, t.type, t.quantity, t.quantity_in, t.price, \
                           t.trigger_price, t.class, t.status, t.filled, t.reason, t.updated_ns AS updated, t.seq";
            named(columns, "orders", &condition, "t.ts_ns, t.order_id")
        }
        Question::Fills => {
            let condition = s.matching(filter, true, true, time);
            let columns = "t.ts_ns AS ts, t.order_id, t.symbol, t.strategy, t.strategy_name, t.side, t.quantity, t.price, t.fee, t.fee_asset, \
                           t.liquidity, t.realised, t.fee_value, t.position, t.quote, t.trade, t.seq";
            named(columns, "fills", &condition, "t.ts_ns, t.seq, t.n")
        }
        Question::Positions => {
            let condition = s.matching(filter, true, true, Some("updated_ns"));
            let columns = "t.account, t.symbol, t.strategy, t.strategy_name, t.quantity, t.cost, t.realised, t.fees, t.quote, t.fills, \
                           t.updated_ns AS updated";
            named(columns, "positions", &condition, "r.name, t.strategy, t.symbol")
        }
        Question::Equity => {
            let condition = s.matching(filter, false, false, time);
            let columns = "t.ts_ns AS ts, t.equity, t.buy_and_hold, t.drawdown, t.gross_exposure, t.net_exposure";
            named(columns, "equity", &condition, "r.name, t.n")
        }
        Question::Signals => {
            let condition = s.matching(filter, true, true, time);
            let columns = "t.ts_ns AS ts, t.kind, t.symbol, t.strategy, t.strategy_name, t.intent, t.size, t.stop, t.target, t.reference, \
                           t.reason, t.measured, t.limit_value, t.largest_safe, t.seq";
            named(columns, "signals", &condition, "t.ts_ns, t.seq, t.n")
        }
        Question::Events => {
            let condition = s.matching(&Filter { strategy: None, ..filter.clone() }, false, true, time);
            named(
                "t.ts_ns AS ts, t.kind, t.symbol, t.strategy, t.order_id, t.detail, t.seq",
                "events",
                &condition,
                "t.ts_ns, t.seq, t.n",
            )
        }
        Question::Audit => {
            let condition = s.matching(&Filter { strategy: None, ..filter.clone() }, false, true, time);
            named(
                "t.entry, t.ts_ns AS ts, t.kind, t.symbol, t.strategy, t.order_id, t.seq",
                "audit_index",
                &condition,
                "t.seq, t.n",
            )
        }
        Question::Pnl => String::new(),
    };
    s
}

fn pnl(dialect: Dialect, filter: &Filter, by: Option<By>) -> Statement {
    let mut s = Statement { sql: String::new(), parameters: Vec::new() };
    let fills = s.matching(filter, true, true, Some("ts_ns"));
    // Funding is the account's: it belongs to an instrument, and to no strategy.
    let funding = s.matching(filter, false, true, Some("ts_ns"));
    let no_funding = if filter.strategy.is_some() { " AND 1 = 0" } else { "" };
    let day = day_of(dialect);
    let group = match by {
        None => "",
        Some(By::Day) => "p.day, ",
        Some(By::Strategy) => "p.strategy, p.strategy_name, ",
        Some(By::Instrument) => "p.symbol, ",
    };
    let order = if by == Some(By::Day) { "p.day, r.name, p.quote" } else { "r.name, p.quote" };
    s.sql = format!(
        "SELECT r.name AS run, {group}p.quote, sum(p.fills) AS fills, exact_sum(p.realised) AS realised, exact_sum(p.fees) AS fees, \
         exact_sum(p.funding) AS funding FROM (\
         SELECT t.run, {day} AS day, t.strategy, t.strategy_name, t.symbol, t.quote, 1 AS fills, t.realised, t.fee_value AS fees, \
         0 AS funding FROM fills t WHERE {fills} UNION ALL \
         SELECT t.run, {day} AS day, NULL AS strategy, NULL AS strategy_name, t.symbol, t.asset AS quote, 0 AS fills, NULL AS realised, \
         NULL AS fees, t.amount AS funding FROM cash t WHERE t.kind = 'funding' AND {funding}{no_funding}) p \
         JOIN runs r ON r.run = p.run GROUP BY r.run, r.name, {group}p.quote ORDER BY {order}{}",
        match by {
            Some(By::Strategy) => ", p.strategy",
            Some(By::Instrument) => ", p.symbol",
            _ => "",
        }
    );
    s
}

/// Columns of a result that are sums of money.
const MONEY: [&str; 3] = ["realised", "fees", "funding"];

/// Adds `net`: realised, less fees, and funding; exactly.
fn put_net(answer: &mut Answer) -> Result<(), QueryError> {
    let at = MONEY.map(|name| answer.columns.iter().position(|column| column == name));
    for row in &mut answer.rows {
        let [realised, fees, funding] = at.map(|at| at.and_then(|at| row.get(at).cloned().flatten()));
        let net = money(realised.as_deref())?.checked_sub(money(fees.as_deref())?);
        let net = money(funding.as_deref())?.checked_add(net.ok_or_else(too_large)?).ok_or_else(too_large)?;
        for at in at.into_iter().flatten() {
            if let Some(cell) = row.get_mut(at) {
                // Numbers as bot4 writes them, whatever zeros the database puts behind.
                *cell = Some(money(cell.as_deref())?.to_string());
            }
        }
        row.push(Some(net.to_string()));
    }
    answer.columns.push("net".to_owned());
    answer.numeric.push(true);
    answer.whole.push(false);
    for at in at.into_iter().flatten() {
        if let Some(whole) = answer.whole.get_mut(at) {
            *whole = false;
        }
    }
    Ok(())
}

/// The sum of a column of a result over all rows with this quote asset.
///
/// # Errors
/// [`QueryError::Statement`] for a sum that is too large.
pub fn total(answer: &Answer, column: &str, quote: &str) -> Result<Money, QueryError> {
    let find = |name: &str| answer.columns.iter().position(|c| c == name);
    let (Some(at), Some(by)) = (find(column), find("quote")) else { return Ok(Money::ZERO) };
    let of_quote = answer.rows.iter().filter(|row| row.get(by).is_some_and(|q| q.as_deref() == Some(quote)));
    of_quote
        .map(|row| money(row.get(at).and_then(Option::as_deref)))
        .try_fold(Money::ZERO, |sum, value| sum.checked_add(value?).ok_or_else(too_large))
}

fn money(text: Option<&str>) -> Result<Money, QueryError> {
    let text = text.unwrap_or("0");
    Money::parse(text)
        .map_err(|e| QueryError::Statement { what: format!("{text:?} in the database: {e}: expected an amount") })
}

fn too_large() -> QueryError {
    QueryError::Statement { what: "the sum is too large".into() }
}
