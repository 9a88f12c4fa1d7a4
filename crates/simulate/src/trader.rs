//! A strategy that says anything a strategy can say, as its seed has it; after a given time it only closes.

use domain::codec::Stored;
use domain::{
    AccountId, ChildSize, Entry, EventBody, GroupKind, GroupRequest, InstrumentIdx, InstrumentKind, Intent, Leg,
    LegRisk, Money, Nanos, Output, Price, Rate, Rest, Rounding, Sequence, Shown, Signal, SizeRequest, StopLevel,
    StopPlan, TimeInForce, TimerRequest, Trigger, UnixNanos, WorkRequest, WorkStyle,
};
use strategy::{Context, Reader, StateError, Strategy};
use testkit::generate::Seeded;

/// The account of all of them.
pub const ACCOUNT: AccountId = AccountId(0);

/// Trades at random.
pub struct Trader {
    /// What it trades.
    pub instruments: Vec<InstrumentIdx>,
    /// State of its generator.
    pub state: u64,
    /// From then on it only closes.
    pub until: UnixNanos,
}

impl Trader {
    fn draw(&mut self) -> Seeded {
        let mut random = Seeded::new(self.state);
        self.state = random.bits();
        random
    }

    fn wish(r: &mut Seeded, context: &Context<'_>, idx: InstrumentIdx, closing: bool) -> Option<Signal> {
        let rules = context.table.get(idx)?;
        let price = rules.price(context.view.get(idx).mark()?);
        let perpetual = rules.kind == InstrumentKind::LinearPerpetual;
        let part = |r: &mut Seeded, low: i64, high: i64| {
            let bps = Rate::from_bps(r.within(low, high) as i32);
            Money::from_raw(price.raw()).times(bps, Rounding::HalfEven).map_or(price, |m| Price::from_raw(m.raw()))
        };
        let intent = match r.within(0, 9) {
            _ if closing => Intent::Exit,
            0..=1 => Intent::Exit,
            2..=5 if perpetual => Intent::EnterShort,
            _ => Intent::EnterLong,
        };
        let (short, exit) = (intent == Intent::EnterShort, intent == Intent::Exit);
        let entry = if r.chance(50) {
            Entry::Limit(part(r, 9_970, 10_030).round_to(rules.tick, Rounding::Down)?)
        } else {
            Entry::Market
        };
        let size = match r.within(0, 2) {
            0 => SizeRequest::Cap,
            1 => SizeRequest::Base(Money::from_units(r.within(20, 9_000)).quantity_at(price, Rounding::Up)?),
            _ => SizeRequest::EquityFraction(Rate::from_bps(r.within(10, 1_000) as i32)),
        };
        let stop = match r.within(0, 9) {
            0..=1 => Some(StopPlan::Trail(part(r, 20, 200))),
            2 => Some(StopPlan::TrailFraction(Rate::from_bps(r.within(20, 200) as i32))),
            3 => {
                let level = StopLevel::Fraction(Rate::from_bps(r.within(20, 200) as i32));
                Some(StopPlan::Timed { level, hold_max: Nanos::from_secs(r.within(30, 600) as u64) })
            }
            4..=5 => Some(StopPlan::Fraction(Rate::from_bps(r.within(20, 200) as i32))),
            6 => Some(StopPlan::Distance(part(r, 20, 200))),
            _ if short => Some(StopPlan::Price(part(r, 10_020, 10_200))),
            _ => Some(StopPlan::Price(part(r, 9_800, 9_980))),
        };
        let target = r.chance(40).then(|| if short { part(r, 9_850, 9_990) } else { part(r, 10_010, 10_150) });
        Some(Signal {
            intent,
            size: if exit { SizeRequest::Position } else { size },
            entry: if exit { Entry::Market } else { entry },
            stop: stop.filter(|_| !exit),
            target: target.filter(|_| !exit),
            confidence: 0.5,
            statistics: None,
            reference: 1,
            tag: 0,
            account: ACCOUNT,
            instrument: idx,
            strategy: context.strategy,
        })
    }

    /// The same wish as a signal, as work, or as the first leg of a group.
    fn say(&self, r: &mut Seeded, context: &Context<'_>, signal: Signal) -> Output {
        if r.chance(60) {
            return Output::Signal(signal);
        }
        if signal.intent == Intent::Exit || r.chance(50) {
            return Output::Work(WorkRequest { signal, style: Self::style(r) });
        }
        self.group(r, context, &signal).map_or(Output::Signal(signal), Output::Group)
    }

    fn style(r: &mut Seeded) -> WorkStyle {
        let seconds = |r: &mut Seeded, from, to| Nanos::from_secs(r.within(from, to).unsigned_abs());
        let then = *r.pick(&[Rest::Take, Rest::GiveUp]);
        match r.within(0, 2) {
            0 => WorkStyle::Twap { over: seconds(r, 30, 300), slices: r.within(2, 8) as u16 },
            1 => WorkStyle::PassiveThenAggressive { patience: seconds(r, 10, 200), then },
            _ => {
                let shown = Shown::Share(Rate::from_bps(r.within(1_000, 6_000) as i32));
                WorkStyle::Iceberg { shown, deadline: seconds(r, 60, 400), then }
            }
        }
    }

    fn group(&self, r: &mut Seeded, context: &Context<'_>, signal: &Signal) -> Option<GroupRequest> {
        let leg = |s: &Signal| Leg {
            intent: s.intent,
            size: s.size,
            entry: s.entry,
            time_in_force: TimeInForce::Gtc,
            stop: s.stop,
            target: s.target,
            reference: s.reference,
            instrument: s.instrument,
        };
        let first = leg(signal);
        let (kind, second) = match r.within(0, 2) {
            0 => {
                let rules = context.table.get(signal.instrument)?;
                let price = rules.price(context.view.get(signal.instrument).mark()?);
                let at = |bps| {
                    let money = Money::from_raw(price.raw()).times(Rate::from_bps(bps), Rounding::HalfEven)?;
                    Price::from_raw(money.raw()).round_to(rules.tick, Rounding::Down)
                };
                let stop = Some(StopPlan::Fraction(Rate::from_bps(r.within(20, 200) as i32)));
                let away = r.within(2, 30) as i32;
                let both = Leg { stop, target: None, ..first };
                let one = Leg { intent: Intent::EnterLong, entry: Entry::Stop(at(10_000 + away)?), ..both };
                let other = Leg { intent: Intent::EnterShort, entry: Entry::Stop(at(10_000 - away)?), ..both };
                if rules.kind != InstrumentKind::LinearPerpetual {
                    return None;
                }
                return GroupRequest::new(GroupKind::OneCancelsOther, &[one, other], ACCOUNT, context.strategy);
            }
            1 => {
                let when = *r.pick(&[Trigger::FirstFill, Trigger::Filled]);
                let size = *r.pick(&[ChildSize::AsAsked, ChildSize::ToFilled]);
                (GroupKind::OneTriggersOther { when, size }, Leg { entry: Entry::Market, ..first })
            }
            _ => {
                let idx = *self.instruments.iter().find(|idx| **idx != signal.instrument)?;
                let other = Self::wish(r, context, idx, false).filter(|s| s.intent != Intent::Exit)?;
                let sequence = *r.pick(&[Sequence::Together, Sequence::OneByOne]);
                let risk = *r.pick(&[LegRisk::Complete, LegRisk::Unwind]);
                let within = r.chance(70).then(|| Nanos::from_secs(r.within(5, 120).unsigned_abs()));
                (GroupKind::Legs { sequence, within, risk }, leg(&other))
            }
        };
        GroupRequest::new(kind, &[first, second], ACCOUNT, context.strategy)
    }
}

impl Strategy for Trader {
    fn name(&self) -> &'static str {
        "random-trader"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }

    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let EventBody::Quote(quote) = event else { return };
        let (closing, idx) = (context.ts >= self.until, quote.instrument);
        let mut r = self.draw();
        if r.chance(if closing { 20 } else { 12 }) {
            let wish = Self::wish(&mut r, context, idx, closing);
            out.extend(wish.map(|signal| self.say(&mut r, context, signal)));
        }
        if !closing && r.chance(3) {
            let at = context.ts.saturating_add(Nanos(r.within(0, 100_000_000_000).unsigned_abs()));
            out.push(Output::Timer(TimerRequest { strategy: context.strategy, id: r.bits() as u32, at }));
        }
    }

    fn on_timer(&mut self, context: &Context<'_>, _: u32, out: &mut Vec<Output>) {
        let closing = context.ts >= self.until;
        let mut r = self.draw();
        let idx = *r.pick(&self.instruments);
        let wish = Self::wish(&mut r, context, idx, closing);
        out.extend(wish.map(|signal| self.say(&mut r, context, signal)));
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        self.until.put(out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.state = from.u64()?;
        Ok(())
    }
}
