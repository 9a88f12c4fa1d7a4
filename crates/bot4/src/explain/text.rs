//! An explanation as text for people, as wide as the terminal and at most [`WIDTH`] columns.

use crate::explain::facts::{
    CheckFacts, ClampFacts, EventFacts, Explanation, IndicatorFacts, LifeFacts, OrderFacts, SignalFacts,
};
use crate::explain::moment::Moment;
use crate::explain::rerun::Replayed;
use crate::explain::scan::{Index, OrderLine, RefusalLine};
use crate::explain::story::Names;
use crate::explain::words;
use domain::{OrderStatus, UnixNanos};
use std::fmt::Write as _;

/// Columns.
pub const WIDTH: usize = 100;

/// Columns that a line may have.
fn columns() -> usize {
    crate::term::width().unwrap_or(WIDTH).clamp(40, WIDTH)
}

/// Text under construction. Writing into a String cannot fail.
#[derive(Default)]
struct Page {
    out: String,
    section: u32,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A heading, numbered.
    fn section(&mut self, name: &str) {
        self.section += 1;
        let _ = write!(self.out, "\n{}. {name}\n", self.section);
    }

    /// A paragraph under a label, broken at blanks.
    fn say(&mut self, label: &str, text: &str) {
        let indent = 4 + label.chars().count() + usize::from(!label.is_empty());
        let indent = indent.max(if label.is_empty() { 4 } else { 18 });
        let head = format!("    {label}");
        let mut line = format!("{head:<indent$}");
        let indent = indent + if text.starts_with("- ") { 2 } else { 0 };
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > columns() {
                self.line(&line);
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&line);
    }

    fn event(&mut self, event: &EventFacts) {
        self.say("event", &format!("{}, at {} UTC", words::grouped(&event.seq.to_string()), at(event.ts)));
        self.say("what", &event.text);
        if let Some(bar) = &event.bar {
            let n = words::number;
            let text = format!(
                "it finished the bar of {} that began at {} UTC: open {}, high {}, low {}, close {}",
                words::span(f64::from(bar.seconds)),
                at(bar.ts),
                n(bar.open),
                n(bar.high),
                n(bar.low),
                n(bar.close)
            );
            self.say("bar", &text);
        }
    }

    fn indicators(&mut self, indicators: &[IndicatorFacts]) {
        if indicators.is_empty() {
            return;
        }
        self.line(&format!("    {:<18}{:>20}{:>20}", "indicator", "a bar before", "now"));
        for i in indicators {
            let before = i.before.map_or_else(|| "not known".to_owned(), words::number);
            self.line(&format!("    {:<18}{before:>20}{:>20}", i.name, words::number(i.now)));
        }
    }

    fn signal(&mut self, s: &SignalFacts) {
        self.say("wants to", words::intent(s.intent));
        self.say("size", &s.size);
        if s.intent != domain::Intent::Exit {
            self.say("price", &s.entry);
            self.say("stop", s.stop.as_deref().unwrap_or("none"));
            self.say("target", &s.target.map_or_else(|| "none".to_owned(), words::number));
        }
        if let Some(reference) = s.reference {
            self.say("price seen", &words::number(reference));
        }
        self.say("confidence", &words::number(s.confidence));
        self.say(
            "statistics",
            s.statistics.as_deref().unwrap_or("no input: nothing feeds the strategy's past to it yet"),
        );
    }

    /// Clamps with an input a line each, the others together.
    fn clamps(&mut self, clamps: &[ClampFacts]) {
        for c in clamps.iter().filter(|c| c.result != "no-input") {
            let sign = match c.result {
                "unchanged" => "ok",
                "reduced" => "less",
                _ => "REFUSED",
            };
            self.say(&format!("{sign:<8}{:<21}", c.clamp), &format!("{}: {}", c.rests_on, c.text));
        }
        let without: Vec<&str> = clamps.iter().filter(|c| c.result == "no-input").map(|c| c.clamp).collect();
        if !without.is_empty() {
            self.say("", &format!("no input: {}", without.join(", ")));
        }
    }

    fn checks(&mut self, checks: &[CheckFacts]) {
        for c in checks.iter().filter(|c| c.result == "passed" || c.result == "refused") {
            let sign = if c.result == "passed" { "ok" } else { "REFUSED" };
            let text = if c.text.is_empty() || c.text == "yes" {
                c.asks.to_owned()
            } else {
                format!("{}: {}", c.asks, c.text)
            };
            self.say(&format!("{sign:<8}{:<21}", c.check), &text);
        }
        for (result, intro) in [("not-reached", "not reached: an earlier check refused"), ("not-applicable", "")] {
            let mut reasons: Vec<&str> = Vec::new();
            for c in checks.iter().filter(|c| c.result == result) {
                if !reasons.contains(&c.text.as_str()) {
                    reasons.push(&c.text);
                }
            }
            for reason in reasons {
                let names: Vec<&str> =
                    checks.iter().filter(|c| c.result == result && c.text == reason).map(|c| c.check).collect();
                let why = if intro.is_empty() { reason } else { intro };
                self.say("", &format!("{why}: {}", names.join(", ")));
            }
        }
    }

    fn order(&mut self, o: &OrderFacts) {
        self.say("number", &format!("{} (client order id {})", o.ordinal, o.id));
        self.say("purpose", o.purpose.word());
        self.say("order", &format!("{} {}", o.side, o.size));
        self.say("kind", &format!("{}: {}", o.kind, o.does));
        self.say("works", &o.time_in_force);
        let only = if o.reduce_only {
            "it may only reduce the position, never open one"
        } else {
            "it may open or enlarge a position"
        };
        self.say("risk", only);
        if o.post_only {
            self.say("maker only", "refused rather than filled as a taker");
        }
    }

    fn life(&mut self, life: &[LifeFacts]) {
        for l in life {
            let head = format!("{}  event {}", at(l.ts), words::grouped(&l.seq.to_string()));
            self.say(&format!("{head:<42}"), &l.text);
        }
    }

    fn other(&mut self, o: &OrderFacts) {
        let ended = match (o.status, o.ended_ts) {
            (OrderStatus::Filled, Some(ts)) => {
                format!("filled at {} at {} UTC", o.average_price.map_or_else(String::new, words::number), at(ts))
            }
            (status, Some(ts)) => format!("{} at {} UTC", words::status(status), at(ts)),
            (status, None) => format!("{} at the end of the record", words::status(status)),
        };
        let text = format!("{} {}, {}; left at {} UTC; {ended}", o.side, o.size, o.does, at(o.ts));
        self.say(&format!("order {} ({})", o.ordinal, o.purpose.word()), &text);
    }

    fn replayed(&mut self, r: &Replayed) {
        let n = |x: u64| words::grouped(&x.to_string());
        let from =
            |seq: u64| if seq == 0 { "the beginning".to_owned() } else { format!("the snapshot of event {}", n(seq)) };
        let stretches: Vec<String> =
            r.stretches.iter().map(|(a, b)| format!("from {} to event {}", from(*a), n(*b))).collect();
        let text = format!(
            "Found by playing {} of {} events again in {:.3} s ({:.3} s with reading and checking the inputs): {}.",
            n(r.events),
            n(r.of),
            r.played_s,
            r.seconds,
            stretches.join("; ")
        );
        self.out.push('\n');
        self.paragraph(&text);
        for reason in &r.unusable {
            self.paragraph(&format!("Not used: {reason}."));
        }
        match &r.difference {
            None => self.paragraph("Everything was as recorded."),
            Some(difference) => self.paragraph(&format!("NOT as recorded {difference}; the record stands.")),
        }
    }

    /// Text from the left edge, broken at blanks.
    fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns() {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }
}

fn at(ms: i64) -> String {
    UnixNanos::from_millis(ms).map_or_else(|| format!("{ms} ms"), words::clock)
}

/// The whole story.
#[must_use]
pub fn explanation(e: &Explanation) -> String {
    let mut page = Page::default();
    let subject = match (&e.order, &e.refusal) {
        (Some(o), _) => format!("ORDER {}  {} {} {}", o.ordinal, e.symbol, o.side, o.purpose.word()),
        (None, Some(r)) => format!("REFUSED  {} {}", e.symbol, r.reason),
        (None, None) => e.symbol.clone(),
    };
    page.line(&subject);
    page.out.push('\n');
    e.summary.iter().for_each(|line| page.paragraph(line));
    let protects = e.order.as_ref().is_some_and(|o| o.entry_like()) || e.order.is_none();
    page.section(if protects { "What happened in the market" } else { "What happened in the market before the entry" });
    match &e.event {
        Some(event) => page.event(event),
        None => page.say("", "no signal of the strategy led to this order"),
    }
    page.section("What the strategy saw");
    let params = if e.strategy.params.is_empty() { "defaults".to_owned() } else { e.strategy.params.clone() };
    page.say("strategy", &format!("{}: {} ({params}): {}", e.strategy.number, e.strategy.name, e.strategy.summary));
    page.indicators(&e.indicators);
    if let Some(rule) = &e.rule {
        page.say("so", rule);
    }
    if let Some(signal) = &e.signal {
        page.section("What it wanted");
        page.signal(signal);
    }
    if let Some(validation) = &e.validation {
        page.section("First gate: is the signal sound?");
        page.say(if validation.passed { "passed" } else { "REFUSED" }, &validation.text);
    }
    if let Some(entry) = &e.entry {
        page.section("The entry whose position it closes or protects");
        page.other(entry);
    }
    if let Some(cause) = &e.cause {
        page.section(if e.order.is_some() { "Why it left at that moment" } else { "When it was refused" });
        page.event(cause);
    }
    if let Some(size) = &e.size {
        page.section("How the size was arrived at");
        size.steps.iter().for_each(|step| page.say("", &format!("- {step}")));
    }
    if !e.clamps.is_empty() {
        page.section("Clamps of the size, in their order");
        page.clamps(&e.clamps);
    }
    if !e.checks.is_empty() {
        page.section("Second gate: pre-trade checks, in their order");
        page.checks(&e.checks);
    }
    if let Some(r) = &e.refusal {
        page.section("Refused");
        page.say("reason", &format!("{}: {}", r.reason, r.text));
        let held: Vec<String> = (r.held.iter())
            .map(|h| format!("{} {} (strategy {})", h.symbol, words::number(h.quantity), h.strategy))
            .collect();
        page.say("held then", &if held.is_empty() { "nothing".to_owned() } else { held.join("; ") });
        if let Some(safe) = r.largest_safe {
            page.say("would pass", &format!("up to {} {}", words::number(safe), e.quote));
        }
    }
    if let Some(order) = &e.order {
        page.section("The order");
        page.order(order);
        page.section("Its life at the venue");
        page.life(&e.life);
        execution(&mut page, e);
    }
    if !e.others.is_empty() {
        page.section("Other orders of the same position");
        e.others.iter().for_each(|other| page.other(other));
    }
    trade(&mut page, e);
    page.replayed(&e.replay);
    page.out
}

impl OrderFacts {
    /// Whether its story begins with a signal of its own.
    const fn entry_like(&self) -> bool {
        matches!(self.purpose, crate::explain::scan::Purpose::Entry | crate::explain::scan::Purpose::Exit)
    }
}

fn execution(page: &mut Page, e: &Explanation) {
    let Some(x) = &e.execution else { return };
    let n = words::number;
    page.say(
        "traded",
        &format!(
            "{} {} at {} {} on average, in {} fill{}",
            n(x.quantity),
            e.base,
            n(x.average_price),
            e.quote,
            x.fills,
            if x.fills == 1 { "" } else { "s" }
        ),
    );
    page.say("waited", &format!("{} from leaving to the first fill", words::span(x.waited_s)));
    if let Some(fees) = x.fees {
        page.say("fees", &format!("{} {}", n(fees), e.quote));
    }
    if let (Some(price), Some(slippage), Some(bps)) = (x.decision_price, x.slippage, x.slippage_bps) {
        let how = if slippage > 0.0 {
            "worse"
        } else if slippage < 0.0 {
            "better"
        } else {
            "the same"
        };
        let by = if slippage == 0.0 {
            String::new()
        } else {
            format!(" by {} {} ({:.2} bp)", n(slippage.abs()), e.quote, bps.abs())
        };
        page.say("slippage", &format!("decided at {} {}, filled {how}{by}", n(price), e.quote));
    }
}

fn trade(page: &mut Page, e: &Explanation) {
    let Some(t) = &e.trade else { return };
    let n = words::number;
    let quote = &e.quote;
    page.section(if t.open { "The position" } else { "Result of the round trip" });
    page.say(
        "position",
        &format!("{} {} {}, entered at {} {quote} on average", t.side, n(t.quantity), e.base, n(t.entry_price)),
    );
    page.say("entered", &format!("{} UTC", at(t.entry_ts)));
    if t.open {
        page.say("state", "open at the end of the record");
        page.say("so far", &format!("{:+.4} {quote} realised, {:.4} {quote} of fees", t.gross, t.fees));
        return;
    }
    if let (Some(ts), Some(held), Some(price)) = (t.exit_ts, t.holding_s, t.exit_price) {
        let by = t.closed_by.map_or_else(String::new, |n| format!(" by order {n}"));
        page.say(
            "closed",
            &format!("{} UTC{by}, at {} {quote} on average, after {}", at(ts), n(price), words::span(held)),
        );
    }
    page.say("gross", &format!("{:+.4} {quote}", t.gross));
    page.say("fees", &format!("{:.4} {quote}", t.fees));
    let share = t.net_return.map_or_else(String::new, |r| format!(", {:+.2} % of what was paid", r * 100.0));
    page.say("net", &format!("{:+.4} {quote}{share}", t.net));
    if let Some(without) = t.without {
        page.say("not in it", without);
    }
    if let (Some(best), Some(worst)) = (t.best, t.worst) {
        let text = format!(
            "at best {} {quote} a unit in favour, at worst {} {quote} against (whole candles between entry and exit, and the exit)",
            n(best),
            n(worst.abs())
        );
        page.say("in between", &text);
    }
}

/// One event.
#[must_use]
pub fn moment(m: &Moment) -> String {
    let mut page = Page::default();
    page.line(&format!("EVENT {}", words::grouped(&m.event.seq.to_string())));
    page.section("What happened");
    page.event(&m.event);
    if let Some(b) = m.booked {
        let n = words::number;
        page.say("booked", &format!("realised {}, fee {}, position now {}", n(b.realised), n(b.fee), n(b.position)));
    }
    for looked in &m.strategies {
        page.section(&format!("What strategy {} ({}) saw", looked.strategy, looked.name));
        page.indicators(&looked.indicators);
        for signal in &looked.signals {
            page.signal(signal);
        }
    }
    for gate in &m.gate {
        page.section(if gate.approved { "An order passed the gate" } else { "An order was refused at the gate" });
        page.say("order", &gate.order);
        if let Some(size) = &gate.size {
            size.steps.iter().for_each(|step| page.say("", &format!("- {step}")));
        }
        page.clamps(&gate.clamps);
        page.checks(&gate.checks);
    }
    page.section("What the engine said");
    if m.said.is_empty() {
        page.say("", "nothing");
    }
    m.said.iter().for_each(|said| page.say("", &format!("- {said}")));
    page.replayed(&m.replay);
    page.out
}

/// All orders of a run.
#[must_use]
pub fn orders(names: &Names<'_>, index: &Index) -> String {
    let mut page = Page::default();
    page.line("order  time (UTC)           symbol      side  kind          quantity            purpose  status");
    for line in &index.orders {
        page.line(&order_row(names, line));
    }
    let refused = words::grouped(&index.refused.to_string());
    page.line(&format!(
        "{} orders; {refused} refusals (`--refusals` lists them). `bot4 explain RUN NUMBER` explains an order.",
        words::grouped(&index.orders.len().to_string())
    ));
    page.out
}

fn order_row(names: &Names<'_>, line: &OrderLine) -> String {
    let o = names.order(line);
    let size = match (o.quantity, o.amount) {
        (Some(quantity), _) => words::number(quantity),
        (None, Some(amount)) => format!("{} {}", words::number(amount), names.assets(line.spec.instrument).1),
        (None, None) => String::new(),
    };
    format!(
        "{:<6} {:<20} {:<11} {:<5} {:<13} {size:<19} {:<8} {}",
        o.ordinal,
        words::clock(UnixNanos(line.ts.0 / 1_000_000_000 * 1_000_000_000)),
        names.symbol(line.spec.instrument),
        o.side,
        o.kind,
        o.purpose.word(),
        words::status(o.status)
    )
}

/// All refusals of a run.
#[must_use]
pub fn refusals(names: &Names<'_>, lines: &[RefusalLine]) -> String {
    let mut page = Page::default();
    page.line("event         time (UTC)           symbol      strategy  wanted to  reason");
    for line in lines {
        page.line(&format!(
            "{:<13} {:<20} {:<11} {:<9} {:<10} {}",
            line.seq,
            words::clock(line.ts),
            names.symbol(line.instrument),
            line.strategy.0,
            words::intent(line.intent),
            names.refusal(line).text
        ));
    }
    page.line(&format!(
        "{} refusals. `bot4 explain RUN --refusal EVENT` explains one.",
        words::grouped(&lines.len().to_string())
    ));
    page.out
}
