//! Everything that the engine can say: to a venue, to the runtime, or for the record.

use crate::approved::{Approved, ApprovedRecord};
use crate::deny_reason::Refusal;
use domain::codec::Stored;
use domain::{
    AccountId, Alert, Cause, ClientOrderId, Difference, Digest, Digestible, GroupKind, GroupStep, Holder, InferRequest,
    InstrumentIdx, Intent, LimitKey, Mode, OrderClass, OrderSpec, Quantity, Rearm, Signal, StrategyIdx, TimerFired,
    UnixNanos, WorkEnd, WorkStyle, stored_enum,
};

/// One output of the engine. Commands to a venue that could open risk carry an [`Approved`]; taking an order off needs none.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// To a venue: place this order.
    Submit(Approved),
    /// To a venue that holds such pairs: place both orders, of which what fills first takes the other off; or neither.
    List {
        /// The one.
        first: Approved,
        /// The other.
        second: Approved,
    },
    /// To a venue: take this order off.
    Cancel {
        /// Our number.
        client_id: ClientOrderId,
        /// Its account.
        account: AccountId,
        /// Its instrument.
        instrument: InstrumentIdx,
    },
    /// To a venue: say where this order is. Needs no approval, and no level of the gate word stops it.
    Query {
        /// Our number.
        client_id: ClientOrderId,
        /// Its account.
        account: AccountId,
        /// Its instrument.
        instrument: InstrumentIdx,
    },
    /// To a venue: say how the account stands there. As a query it needs no approval and is stopped by nothing.
    Reconcile {
        /// Which account.
        account: AccountId,
        /// From when on executions and movements are asked for, on the venue's clock.
        since: UnixNanos,
    },
    /// To the runtime: send this timer back at that time.
    Timer {
        /// When.
        at: UnixNanos,
        /// Which.
        timer: TimerFired,
    },
    /// To the runtime: ask a model.
    Infer(InferRequest),
    /// For the record: leaves nothing.
    Record(Decision),
    /// To the runtime: set the gate word to this level. One that others raised meanwhile stays.
    Gate {
        /// 0 all, 1 reductions and cancels, 2 cancels only.
        level: u8,
    },
}

/// What was decided without anything leaving.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// A strategy said this, and validation let it pass.
    Signal(Signal),
    /// A signal, or an order made of one, was refused.
    Refused {
        /// Whose.
        strategy: StrategyIdx,
        /// In which instrument.
        instrument: InstrumentIdx,
        /// What was wanted.
        intent: Intent,
        /// Why not.
        refusal: Refusal,
    },
    /// The mode changed.
    Mode {
        /// Before.
        from: Mode,
        /// From now on.
        to: Mode,
        /// What brought it about.
        cause: Cause,
        /// The key holder who asked for it, if one did.
        holder: Option<Holder>,
    },
    /// Something that somebody must hear of.
    Alert(Alert),
    /// A limit was tightened, or was asked to be and stayed.
    Limit {
        /// Which.
        limit: LimitKey,
        /// Before, in the limit's unit.
        from: f64,
        /// From now on; as before where the change would have loosened it.
        to: f64,
        /// Who asked.
        holder: Holder,
    },
    /// A strategy was re-armed after it had been disabled, or asked to be and was not.
    Rearmed {
        /// Which.
        what: Rearm,
        /// Who asked.
        holder: Holder,
        /// Whether it was.
        done: bool,
    },
    /// A large order is worked in parts from here on: it passed the gate as a whole.
    Worked {
        /// Whose.
        strategy: StrategyIdx,
        /// In which instrument.
        instrument: InstrumentIdx,
        /// What was wanted.
        intent: Intent,
        /// How it is worked; the one that was chosen, where that was asked for.
        style: WorkStyle,
        /// How much, in base.
        target: Quantity,
        /// The price when it began, a mantissa; `None` where there was none.
        arrival: Option<i64>,
    },
    /// What was worked is over.
    WorkEnded {
        /// Whose.
        strategy: StrategyIdx,
        /// In which instrument.
        instrument: InstrumentIdx,
        /// What was wanted.
        intent: Intent,
        /// How much, in base.
        target: Quantity,
        /// How much of it is filled.
        filled: Quantity,
        /// Why.
        end: WorkEnd,
    },
    /// What a venue says of an account differs from what we know, or agrees again.
    Difference(Difference),
    /// An account was held against what the venue says of it, for the first time or after something that had to be found out, and nothing
    /// differs.
    Reconciled {
        /// Which account.
        account: AccountId,
        /// The instant of which the venue spoke, on its clock.
        as_of: UnixNanos,
        /// Orders that work on both sides.
        orders: u32,
        /// Executions that no report had told and that are booked now, since it agreed last.
        recovered: u32,
    },
    /// A strategy asked for a group. Its legs follow, each as what it asks for.
    Group {
        /// The desk's number of it.
        group: u64,
        /// How its legs belong together.
        kind: GroupKind,
        /// The account.
        account: AccountId,
        /// Whose.
        strategy: StrategyIdx,
        /// How many legs it has.
        legs: u8,
    },
    /// Something happened to a group.
    GroupStep {
        /// The desk's number of it.
        group: u64,
        /// Which leg, from 0.
        leg: u8,
        /// The account.
        account: AccountId,
        /// Whose.
        strategy: StrategyIdx,
        /// The leg's instrument.
        instrument: InstrumentIdx,
        /// What.
        step: GroupStep,
        /// Why, where a check stood against it.
        refusal: Option<Refusal>,
    },
}

/// A command as plain data, for journals and comparisons. It can never be sent: nothing turns it into an [`Approved`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CommandRecord {
    /// An order that left.
    Submit {
        /// The order.
        spec: OrderSpec,
        /// What it did to risk.
        class: OrderClass,
        /// Whether it was approved under research limits.
        research: bool,
        /// Until when the approval held.
        valid_until: UnixNanos,
    },
    /// A pair that left.
    List {
        /// The one.
        first: ApprovedRecord,
        /// The other.
        second: ApprovedRecord,
    },
    /// A cancel that left.
    Cancel {
        /// Our number of the order.
        client_id: ClientOrderId,
    },
    /// A question about an order that left.
    Query {
        /// Our number of the order.
        client_id: ClientOrderId,
    },
    /// A question about an account that left.
    Reconcile {
        /// Which account.
        account: AccountId,
        /// From when on executions and movements were asked for.
        since: UnixNanos,
    },
    /// A timer that was asked for.
    Timer {
        /// When.
        at: UnixNanos,
        /// Which.
        timer: TimerFired,
    },
    /// A model that was asked.
    Infer(InferRequest),
    /// A decision.
    Decision(Decision),
    /// A level that the gate word was set to.
    Gate {
        /// Which.
        level: u8,
    },
}

impl Command {
    /// This command as plain data.
    #[must_use]
    pub fn record(&self) -> CommandRecord {
        match self {
            Self::Submit(approved) => {
                let (spec, class, research, valid_until) = approved.record();
                CommandRecord::Submit { spec, class, research, valid_until }
            }
            Self::List { first, second } => {
                CommandRecord::List { first: first.as_record(), second: second.as_record() }
            }
            Self::Cancel { client_id, .. } => CommandRecord::Cancel { client_id: *client_id },
            Self::Query { client_id, .. } => CommandRecord::Query { client_id: *client_id },
            Self::Reconcile { account, since } => CommandRecord::Reconcile { account: *account, since: *since },
            Self::Timer { at, timer } => CommandRecord::Timer { at: *at, timer: *timer },
            Self::Infer(request) => CommandRecord::Infer(*request),
            Self::Record(decision) => CommandRecord::Decision(*decision),
            Self::Gate { level } => CommandRecord::Gate { level: *level },
        }
    }

    /// Appends the bytes of [`Command::record`] without making one: what a journal does with every command.
    #[inline]
    pub fn put_record(&self, out: &mut Vec<u8>) {
        match self {
            Self::Submit(approved) => {
                out.push(SUBMIT);
                approved.put_record(out);
            }
            Self::Cancel { client_id, .. } => {
                out.push(CANCEL);
                client_id.put(out);
            }
            Self::Query { client_id, .. } => {
                out.push(QUERY);
                client_id.put(out);
            }
            Self::Reconcile { account, since } => {
                out.push(RECONCILE);
                account.put(out);
                since.put(out);
            }
            Self::Timer { at, timer } => {
                out.push(TIMER);
                at.put(out);
                timer.put(out);
            }
            Self::Infer(request) => {
                out.push(INFER);
                request.put(out);
            }
            Self::Record(decision) => {
                out.push(DECISION);
                decision.put(out);
            }
            Self::Gate { level } => out.extend_from_slice(&[GATE, *level]),
            Self::List { first, second } => {
                out.push(LIST);
                first.put_record(out);
                second.put_record(out);
            }
        }
    }
}

/// The numbers of the variants in the bytes of a record.
const SUBMIT: u8 = 1;
const CANCEL: u8 = 2;
const TIMER: u8 = 3;
const INFER: u8 = 4;
const DECISION: u8 = 5;
const GATE: u8 = 6;
const QUERY: u8 = 7;
const RECONCILE: u8 = 8;
const LIST: u8 = 9;

stored_enum!(CommandRecord, "a command" {
    SUBMIT => Submit { spec, class, research, valid_until },
    CANCEL => Cancel { client_id },
    TIMER => Timer { at, timer },
    INFER => Infer(request),
    DECISION => Decision(decision),
    GATE => Gate { level },
    QUERY => Query { client_id },
    RECONCILE => Reconcile { account, since },
    LIST => List { first, second },
});
stored_enum!(Decision, "a decision" {
    1 => Signal(signal),
    2 => Refused { strategy, instrument, intent, refusal },
    3 => Mode { from, to, cause, holder },
    4 => Alert(alert),
    5 => Limit { limit, from, to, holder },
    6 => Rearmed { what, holder, done },
    11 => Worked { strategy, instrument, intent, style, target, arrival },
    12 => WorkEnded { strategy, instrument, intent, target, filled, end },
    7 => Difference(difference),
    8 => Reconciled { account, as_of, orders, recovered },
    9 => Group { group, kind, account, strategy, legs },
    10 => GroupStep { group, leg, account, strategy, instrument, step, refusal },
});

impl Digestible for Command {
    fn digest(&self, d: &mut Digest) {
        match self {
            Self::Submit(approved) => {
                d.word(1);
                approved.digest(d);
            }
            Self::Cancel { client_id, account, instrument } => {
                d.word(2 | u64::from(account.0) << 8 | u64::from(instrument.0) << 24);
                d.word(client_id.ordinal());
                d.word(u64::from(client_id.epoch()));
            }
            Self::Timer { at, timer } => {
                let key = match timer {
                    TimerFired::Day => 1,
                    TimerFired::Minute => 2,
                    TimerFired::Strategy { strategy, id } => 3 | u64::from(strategy.0) << 8 | u64::from(*id) << 24,
                    TimerFired::Desk => 4,
                    TimerFired::Reconcile => 5,
                };
                d.word(3);
                d.word(key);
                d.word(at.0);
            }
            Self::Infer(request) => {
                d.word(4 | u64::from(request.strategy.0) << 8 | u64::from(request.model) << 24);
                d.word(request.as_of.0);
            }
            Self::Record(Decision::Signal(signal)) => {
                d.word(5);
                signal.digest(d);
            }
            Self::Record(Decision::Refused { strategy, instrument, intent, refusal }) => {
                d.word(6 | (*intent as u64) << 8 | u64::from(strategy.0) << 16 | u64::from(instrument.0) << 32);
                refusal.digest(d);
            }
            Self::Record(Decision::Mode { from, to, cause, holder }) => {
                d.word(7 | (*from as u64) << 8 | (*to as u64) << 16 | (*cause as u64) << 24);
                d.bytes(holder.as_ref().map_or(&[], |h| h.bytes().as_slice()));
            }
            Self::Record(Decision::Alert(alert)) => {
                d.word(8 | (alert.kind as u64) << 8 | u64::from(alert.account.0) << 16);
                d.word(alert.instrument.map_or(u64::MAX, |i| u64::from(i.0)));
                d.word(alert.strategy.map_or(u64::MAX, |s| u64::from(s.0)));
                d.float(alert.value.unwrap_or(f64::NAN));
                d.float(alert.limit.unwrap_or(f64::NAN));
            }
            Self::Record(Decision::Limit { limit, from, to, holder }) => {
                d.word(9 | (*limit as u64) << 8);
                d.float(*from);
                d.float(*to);
                d.bytes(holder.bytes());
            }
            Self::Record(Decision::Rearmed { what, holder, done }) => {
                let what = match what {
                    Rearm::Account => 1,
                    Rearm::Strategy(strategy) => 2 | u64::from(strategy.0) << 8,
                };
                d.word(10 | what << 8 | u64::from(*done) << 40);
                d.bytes(holder.bytes());
            }
            Self::Record(Decision::Worked { strategy, instrument, intent, style, target, arrival }) => {
                d.word(19 | (*intent as u64) << 8 | u64::from(strategy.0) << 16 | u64::from(instrument.0) << 32);
                style.digest(d);
                d.wide(target.raw());
                d.int(arrival.unwrap_or(i64::MIN));
            }
            Self::Record(Decision::WorkEnded { strategy, instrument, intent, target, filled, end }) => {
                d.word(20 | (*intent as u64) << 8 | u64::from(strategy.0) << 16 | u64::from(instrument.0) << 32);
                d.wide(target.raw());
                d.wide(filled.raw());
                d.word(*end as u64);
            }
            Self::Gate { level } => d.word(11 | u64::from(*level) << 8),
            Self::Query { client_id, account, instrument } => {
                d.word(12 | u64::from(account.0) << 8 | u64::from(instrument.0) << 24);
                d.word(client_id.ordinal());
                d.word(u64::from(client_id.epoch()));
            }
            Self::Reconcile { account, since } => {
                d.word(13 | u64::from(account.0) << 8);
                d.word(since.0);
            }
            Self::Record(Decision::Difference(difference)) => {
                d.word(14);
                difference.digest(d);
            }
            Self::Record(Decision::Reconciled { account, as_of, orders, recovered }) => {
                d.word(15 | u64::from(account.0) << 8 | u64::from(*orders) << 32);
                d.word(u64::from(*recovered));
                d.word(as_of.0);
            }
            Self::Record(Decision::Group { group, kind, account, strategy, legs }) => {
                d.word(16 | u64::from(*legs) << 8 | u64::from(account.0) << 16 | u64::from(strategy.0) << 32);
                d.word(*group);
                kind.digest(d);
            }
            Self::Record(Decision::GroupStep { group, leg, account, strategy, instrument, step, refusal }) => {
                d.word(17 | u64::from(*leg) << 8 | u64::from(account.0) << 16 | u64::from(strategy.0) << 32);
                d.word(*group);
                d.word(u64::from(instrument.0));
                step.digest(d);
                match refusal {
                    Some(refusal) => refusal.digest(d),
                    None => d.word(u64::MAX),
                }
            }
            Self::List { first, second } => {
                d.word(18);
                first.digest(d);
                second.digest(d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny_reason::DenyReason;
    use crate::limits::Profile;
    use domain::codec::{CodecError, Reader, from_bytes, to_bytes};
    use domain::{Entry, Money, OrderQuantity, OrderType, Price, Rate, Side, SizeRequest, StopPlan, TimeInForce};

    fn spec(kind: OrderType) -> OrderSpec {
        OrderSpec {
            client_id: ClientOrderId::new(AccountId(3), 1, 77),
            kind,
            quantity: OrderQuantity::Base(Quantity::from_units(2)),
            time_in_force: TimeInForce::Gtd(UnixNanos(9)),
            account: AccountId(3),
            instrument: InstrumentIdx(4),
            strategy: StrategyIdx(5),
            side: Side::Sell,
            post_only: false,
            reduce_only: true,
        }
    }

    fn commands() -> Vec<Command> {
        let signal = Signal {
            intent: Intent::EnterLong,
            size: SizeRequest::EquityFraction(Rate::from_bps(3)),
            entry: Entry::Limit(Price::from_units(5)),
            stop: Some(StopPlan::Distance(Price::from_units(1))),
            target: None,
            confidence: 0.25,
            statistics: None,
            reference: -1,
            tag: 6,
            account: AccountId(3),
            instrument: InstrumentIdx(4),
            strategy: StrategyIdx(5),
        };
        let refused = |refusal| {
            Command::Record(Decision::Refused {
                strategy: StrategyIdx(1),
                instrument: InstrumentIdx(2),
                intent: Intent::Exit,
                refusal,
            })
        };
        let approved = |kind, profile: &Profile, class| Approved::new(spec(kind), class, profile, UnixNanos(8));
        let price = Price::from_units(7);
        let holder = Holder::new("anna").unwrap();
        vec![
            Command::Submit(approved(OrderType::Market, &Profile::standard(), OrderClass::Entry)),
            Command::Submit(approved(
                OrderType::StopLimit { trigger: price, price },
                &Profile::Off,
                OrderClass::Reducing,
            )),
            Command::Cancel {
                client_id: spec(OrderType::Market).client_id,
                account: AccountId(3),
                instrument: InstrumentIdx(4),
            },
            Command::Timer { at: UnixNanos(5), timer: TimerFired::Strategy { strategy: StrategyIdx(2), id: 9 } },
            Command::Infer(InferRequest { strategy: StrategyIdx(2), model: 3, as_of: UnixNanos(4) }),
            Command::Record(Decision::Signal(signal)),
            refused(Refusal::because(DenyReason::Tick)),
            refused(Refusal::over(DenyReason::Leverage, 3.5, 3.0).with_safe(Money::from_units(20))),
            Command::Record(Decision::Mode {
                from: Mode::Normal,
                to: Mode::Emergency,
                cause: Cause::Kill,
                holder: Holder::new("anna"),
            }),
            Command::Record(Decision::Alert(Alert {
                kind: domain::AlertKind::Naked,
                account: AccountId(3),
                instrument: Some(InstrumentIdx(2)),
                strategy: None,
                value: Some(0.5),
                limit: None,
            })),
            Command::Record(Decision::Limit { limit: LimitKey::Leverage, from: 3.0, to: 2.5, holder }),
            Command::Record(Decision::Rearmed { what: Rearm::Strategy(StrategyIdx(1)), holder, done: false }),
            Command::Record(Decision::Worked {
                strategy: StrategyIdx(2),
                instrument: InstrumentIdx(1),
                intent: Intent::EnterLong,
                style: WorkStyle::Pov { share: Rate::from_bps(1_000), deadline: domain::Nanos(7) },
                target: Quantity::from_units(5),
                arrival: Some(-3),
            }),
            Command::Record(Decision::WorkEnded {
                strategy: StrategyIdx(2),
                instrument: InstrumentIdx(1),
                intent: Intent::Exit,
                target: Quantity::from_units(5),
                filled: Quantity::from_units(4),
                end: WorkEnd::Deadline,
            }),
            Command::Gate { level: 1 },
            Command::Query {
                client_id: spec(OrderType::Market).client_id,
                account: AccountId(3),
                instrument: InstrumentIdx(4),
            },
            Command::Reconcile { account: AccountId(3), since: UnixNanos(7) },
            Command::Timer { at: UnixNanos(5), timer: TimerFired::Reconcile },
            Command::Record(Decision::Difference(Difference {
                kind: domain::DifferenceKind::Balance,
                account: AccountId(3),
                instrument: None,
                asset: Some(domain::AssetIdx(1)),
                order: Some(spec(OrderType::Market).client_id),
                ours: Money::from_units(3),
                theirs: Money::from_units(2),
            })),
            Command::Record(Decision::Reconciled {
                account: AccountId(3),
                as_of: UnixNanos(6),
                orders: 4,
                recovered: 1,
            }),
            Command::List {
                first: approved(OrderType::Limit { price }, &Profile::standard(), OrderClass::Entry),
                second: approved(OrderType::StopMarket { trigger: price }, &Profile::Off, OrderClass::Entry),
            },
            Command::Record(Decision::Group {
                group: 7,
                kind: GroupKind::OneCancelsOther,
                account: AccountId(3),
                strategy: StrategyIdx(5),
                legs: 2,
            }),
            Command::Record(Decision::GroupStep {
                group: 7,
                leg: 1,
                account: AccountId(3),
                strategy: StrategyIdx(5),
                instrument: InstrumentIdx(4),
                step: GroupStep::Excess { quantity: Quantity::from_units(3) },
                refusal: Some(Refusal::because(DenyReason::Busy)),
            }),
        ]
    }

    #[test]
    fn a_command_writes_the_bytes_of_its_record() {
        for command in commands() {
            let (record, mut direct) = (command.record(), Vec::new());
            command.put_record(&mut direct);
            assert_eq!(direct, to_bytes(&record), "{record:?}");
            assert_eq!(from_bytes::<CommandRecord>(&direct).as_ref(), Ok(&record));
            for end in 0..direct.len() {
                let cut = CommandRecord::take(&mut Reader::new(&direct[..end]));
                assert_eq!(cut, Err(CodecError::Truncated), "{record:?}, {end} bytes");
            }
            for at in 0..direct.len() {
                for bit in 0..8 {
                    let mut damaged = direct.clone();
                    damaged[at] ^= 1 << bit;
                    // Most damage is another record; whatever can be read has these bytes.
                    if let Ok(other) = from_bytes::<CommandRecord>(&damaged) {
                        assert_eq!(to_bytes(&other), damaged);
                    }
                }
            }
        }
    }

    #[test]
    fn every_reason_of_refusal_comes_back() {
        for reason in DenyReason::ALL {
            assert_eq!(from_bytes::<DenyReason>(&to_bytes(&reason)), Ok(reason));
        }
        let next = [DenyReason::ALL.len() as u8];
        assert_eq!(from_bytes::<DenyReason>(&next), Err(CodecError::Invalid { what: "a reason of refusal" }));
    }
}
