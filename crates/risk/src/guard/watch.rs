//! One account under the guard: looks at what it holds, asks every monitor, and says the most severe of what they want.
//!
//! In:  the world, when the guard looks; what was booked.
//! Out: actions. The order of a look: marks, then equity (drawdown, day, black swan of the account), then positions (black swan of the
//! asset, margin, liquidation, leverage), then requests, then the mode.
//!
//! Equity rests on the ledger's marks, so it is not known while one of them is suspect. Margin and distance to liquidation use the last
//! believed mark instead, so that one wrong print does not leave the other positions unwatched.

use super::black_swan::{Assets, Level, Rose, Swan};
use super::breaker::{AccountBreaker, Permit, State};
use super::config::GuardConfig;
use super::day::{Day, Reached};
use super::drawdown::{Drawdown, Step, scaled};
use super::leverage::{self, Inputs};
use super::liquidation::{
    DistanceStep, Margin, RatioStep, Tier, Tiers, distance, flat, liquidation_price, maintenance,
};
use super::marks::{Mark, Marks};
use super::position::{Measure, PositionWatch, RatioWatch};
use super::ring::Ring;
use super::{Action, Unknown, breaker_alert, fraction};
use crate::gate::Scene;
use domain::decimal::{MONEY_DECIMALS, POW10, div_money, mul_money};
use domain::{
    AccountId, Alert, AlertKind, AssetIdx, Cause, Digest, Instrument, InstrumentIdx, InstrumentKind, Mode, Money,
    Price, Quantity, Rate, Rounding, UnixNanos, stored_enum, stored_struct,
};
use portfolio::dust::is_dust;

/// The demands that end by a re-arm alone.
const EMERGENCIES: u32 = 0b11;

/// What accounts share, while one of them is looked at.
pub(super) struct Shared<'a> {
    pub config: &'a GuardConfig,
    pub marks: &'a mut Marks,
    pub assets: &'a mut Assets,
    pub inputs: &'a Inputs,
    pub tiers: &'a [Tiers],
}

/// Room for a look, kept so that nothing is allocated.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    held: Vec<Held>,
    wallets: Vec<Wallet>,
    /// Which instruments turn which asset into report currency, by asset; for how many instruments it was found.
    rates: Vec<(AssetIdx, InstrumentIdx)>,
    rated: usize,
}

impl Scratch {
    fn find_rates(&mut self, scene: &Scene<'_>) {
        if self.rated == scene.table.len() {
            return;
        }
        self.rated = scene.table.len();
        let report = scene.portfolio.report_currency();
        self.rates.clear();
        for rules in scene.table.instruments() {
            match (rules.base == report, rules.quote == report) {
                (false, true) => self.rates.push((rules.base, rules.idx)),
                (true, false) => self.rates.push((rules.quote, rules.idx)),
                _ => {}
            }
        }
        self.rates.sort_unstable();
    }
}

/// What is held in one instrument, at its last believed mark, in quote.
#[derive(Clone, Copy, Debug)]
struct Held {
    instrument: InstrumentIdx,
    /// The net position.
    net: Quantity,
    /// Sum of the sizes of the strategies' positions.
    gross: Quantity,
    cost: Money,
    is_perpetual: bool,
    settle: AssetIdx,
    /// `None` where there is no believed mark, or what follows from it cannot be held.
    worth: Option<Worth>,
    isolated: Option<Money>,
    /// The share that must go.
    share: Rate,
    /// The margin that must come.
    add: Money,
}

#[derive(Clone, Copy, Debug)]
struct Worth {
    mark: Price,
    exposure: Money,
    unrealised: Money,
    maintenance: Money,
    initial: Money,
}

/// The cross positions that settle in one asset.
#[derive(Clone, Copy, Debug)]
struct Wallet {
    settle: AssetIdx,
    margin: Margin,
    unrealised: Money,
    initial: Money,
    /// Margin bound to isolated positions.
    isolated: Money,
    /// Whether all of it is known.
    known: bool,
    /// Free funds that this look has given away.
    given: Money,
}

/// One account.
#[derive(Clone, Debug)]
pub(super) struct AccountWatch {
    pub account: AccountId,
    pub drawdown: Drawdown,
    pub day: Day,
    pub breaker: AccountBreaker,
    looked: Option<UnixNanos>,
    /// Something was booked since.
    due: bool,
    /// Equity of the last hour.
    hour: Ring,
    swan: Swan,
    /// The last known equity.
    equity: Option<Money>,
    /// The same with what the account's breaker has counted as lost.
    before_losses: Option<Money>,
    unknown: Option<Unknown>,
    /// What stays unknown until a re-arm.
    latched: Option<Unknown>,
    liquidation_near: bool,
    leverage_told: bool,
    /// Level of the assets' black swans at the last look.
    asset_swan: Level,
    /// Modes that were asked for and not taken back, a bit per demand.
    said: u32,
    /// By instrument.
    positions: Vec<PositionWatch>,
    /// By settle asset.
    wallets: Vec<RatioWatch>,
}

impl AccountWatch {
    pub(super) fn new(account: AccountId) -> Self {
        Self {
            account,
            drawdown: Drawdown::new(),
            day: Day::default(),
            breaker: AccountBreaker::default(),
            looked: None,
            due: true,
            hour: Ring::default(),
            swan: Swan::default(),
            equity: None,
            before_losses: None,
            unknown: None,
            latched: None,
            liquidation_near: false,
            leverage_told: false,
            asset_swan: Level::Calm,
            said: 0,
            positions: Vec::new(),
            wallets: Vec::new(),
        }
    }

    pub(super) fn position_mut(&mut self, instrument: InstrumentIdx) -> &mut PositionWatch {
        if self.positions.len() <= instrument.index() {
            self.positions.resize(instrument.index() + 1, PositionWatch::default());
        }
        &mut self.positions[instrument.index()]
    }

    pub(super) fn unknown(&self) -> Option<Unknown> {
        self.latched.or(self.unknown)
    }

    pub(super) const fn swan_level(&self) -> Level {
        self.swan.level()
    }

    pub(super) const fn is_liquidation_near(&self) -> bool {
        self.liquidation_near
    }

    /// One look. `forced`: whatever the interval says, and whether or not anything is held.
    pub(super) fn look(
        &mut self,
        shared: &mut Shared<'_>,
        scratch: &mut Scratch,
        scene: &Scene<'_>,
        forced: bool,
        out: &mut Vec<Action>,
    ) {
        let ts = scene.ts;
        if let Some(looked) = self.looked {
            if ts < looked {
                // Waiting until time has caught up would leave the account unwatched.
                out.push(self.alert(AlertKind::ClockBack, None, Some(looked.since(ts).0 as f64 / 1e9), None));
            } else if !forced && ts.since(looked) < shared.config.check_interval() {
                return;
            }
        }
        self.looked = Some(ts);
        let (unknown, stale) = self.gather(shared, scratch, scene, out);
        if scratch.held.is_empty() && !self.due && !forced {
            return;
        }
        self.due = false;
        self.weigh(unknown, stale, shared.config, scene, out);
        self.want_for_swans(shared, scratch);
        self.margin(shared, scratch, scene, out);
        self.leverage(shared, scratch, scene, out);
        self.ask(ts, scratch, out);
        if self.breaker.tick(ts) {
            out.push(breaker_alert(self.account, None, None, None));
        }
        self.asset_swan = shared.assets.worst_fall();
        self.announce(shared.config, scene, out);
    }

    /// Goes through what is held: marks, and what each position is worth. Answers what is not known, and what is known of long ago only.
    fn gather(
        &mut self,
        shared: &mut Shared<'_>,
        scratch: &mut Scratch,
        scene: &Scene<'_>,
        out: &mut Vec<Action>,
    ) -> (Option<Unknown>, Option<Unknown>) {
        scratch.held.clear();
        for (account, instrument, _, position) in scene.portfolio.positions() {
            if account != self.account {
                continue;
            }
            // A size without a positive counterpart is beyond what can be held: what it is worth then is unknown below.
            let size = position.quantity.checked_abs().unwrap_or(Quantity::MAX);
            match scratch.held.last_mut() {
                Some(held) if held.instrument == instrument => {
                    held.gross = held.gross.checked_add(size).unwrap_or(Quantity::MAX);
                }
                _ => scratch.held.push(Held::new(instrument, size)),
            }
        }
        let (mut unknown, mut stale) = (None, None);
        let timeout = shared.config.action_timeout();
        scratch.held.retain_mut(|held| {
            let idx = held.instrument;
            let Some(rules) = scene.table.get(idx) else {
                unknown = unknown.or(Some(Unknown::Mark(idx)));
                return true;
            };
            let net = scene.portfolio.net_position(self.account, idx);
            (held.net, held.cost) = (net.quantity, net.cost);
            (held.is_perpetual, held.settle) = (rules.kind == InstrumentKind::LinearPerpetual, rules.settle);
            let view = scene.view.get(idx);
            let entry = || entry_mantissa(rules, held.net, held.cost);
            let mark = match shared.marks.look(idx, &view, entry, shared.config.jump_max) {
                Mark::Good(mark) => {
                    if let Some(rose) = shared.assets.push(scene.ts, idx, mark, shared.config) {
                        out.push(swan_alert(self.account, Some(idx), &rose));
                    }
                    if scene.ts.since(view.ts) > shared.config.mark_age_max() {
                        stale = stale.or(Some(Unknown::Stale(idx)));
                    }
                    Some(mark)
                }
                Mark::Suspect(last) => {
                    unknown = unknown.or(Some(Unknown::Jump(idx)));
                    last
                }
                Mark::Missing => {
                    unknown = unknown.or(Some(Unknown::Mark(idx)));
                    None
                }
            };
            let price = mark.map(|mark| rules.price(mark));
            let long = held.net > Quantity::ZERO;
            let watch = self.position_mut(idx);
            if price.is_some_and(|price| is_dust(rules, held.gross, price)) {
                watch.see(scene.ts, None, Quantity::ZERO, rules.lot, timeout);
                return false;
            }
            watch.see(scene.ts, Some(long), held.gross, rules.lot, timeout);
            held.isolated = watch.isolated.filter(|_| held.is_perpetual);
            held.worth = price.and_then(|price| held.worth_at(price, rules, tiers_of(shared.tiers, idx)));
            if price.is_some() && held.worth.is_none() {
                unknown = unknown.or(Some(Unknown::Mark(idx)));
            }
            true
        });
        // What is no longer held is forgotten: flights, margin added, what a black swan left.
        let mut next = scratch.held.iter().map(|held| held.instrument.index()).peekable();
        for (at, watch) in self.positions.iter_mut().enumerate() {
            if next.next_if_eq(&at).is_none() && !watch.is_flat() {
                watch.see(scene.ts, None, Quantity::ZERO, Quantity::ZERO, timeout);
            }
        }
        // Equity rests on the rates of other assets as well.
        scratch.find_rates(scene);
        let report = scene.portfolio.report_currency();
        for (account, asset, _) in scene.portfolio.balances() {
            if account != self.account || asset == report {
                continue;
            }
            let first = scratch.rates.partition_point(|rate| rate.0 < asset);
            for (_, idx) in scratch.rates.iter().skip(first).take_while(|rate| rate.0 == asset) {
                let mark = shared.marks.look(*idx, &scene.view.get(*idx), || None, shared.config.jump_max);
                if matches!(mark, Mark::Suspect(_)) {
                    unknown = unknown.or(Some(Unknown::Jump(*idx)));
                }
            }
        }
        (unknown, stale)
    }

    /// Equity: drawdown, the day, the black swan of the account.
    fn weigh(
        &mut self,
        unknown: Option<Unknown>,
        stale: Option<Unknown>,
        config: &GuardConfig,
        scene: &Scene<'_>,
        out: &mut Vec<Action>,
    ) {
        let equity = match unknown {
            None => scene.portfolio.equity(self.account, scene.table, scene.view),
            Some(_) => None,
        };
        let unknown = unknown.or_else(|| equity.is_none().then_some(Unknown::Equity)).or(stale);
        if let Some(what) = unknown.filter(|_| self.unknown.is_none()) {
            let instrument = match what {
                Unknown::Mark(idx) | Unknown::Jump(idx) | Unknown::Stale(idx) => Some(idx),
                Unknown::Equity | Unknown::Transfer | Unknown::Loss => None,
            };
            out.push(self.alert(AlertKind::InputUnknown, instrument, None, None));
        }
        self.unknown = unknown;
        let Some(equity) = equity else { return };
        let ts = scene.ts;
        self.equity = Some(equity);
        self.before_losses = equity.checked_add(self.breaker.loss());
        self.hour.push(ts, equity.raw());
        if let Some(step) = self.drawdown.update(ts, equity, config) {
            let limit = if step == Step::Limit { config.drawdown_halt } else { config.drawdown_alert };
            out.push(self.alert(AlertKind::Drawdown, None, self.drawdown.fraction(), Some(limit.to_f64())));
        }
        if let Some(Reached { loss, limit, .. }) = self.day.update(ts, equity, &self.hour, config) {
            out.push(self.alert(AlertKind::DailyLoss, None, Some(loss), Some(limit.to_f64())));
        }
        let highest = self.hour.hour().map(|(high, _)| Money::from_raw(high));
        let fall = highest.and_then(|high| fraction(high.checked_sub(equity)?, high)).unwrap_or(0.0);
        let swan = config.swan_portfolio_hour;
        if let Some(level) = self.swan.update(ts, Level::of(fall, swan), config) {
            out.push(swan_alert(self.account, None, &Rose { level, moved: fall, swan }));
        }
    }

    /// What black swans leave of the positions. The last step of the account's own is an emergency, which closes by itself.
    fn want_for_swans(&mut self, shared: &Shared<'_>, scratch: &mut Scratch) {
        let account = self.swan.level().min(Level::Halve);
        for held in &mut scratch.held {
            let long = held.net >= Quantity::ZERO;
            let asset = if long { shared.assets.fall(held.instrument) } else { shared.assets.rise(held.instrument) };
            let share = self.position_mut(held.instrument).swan(asset.max(account), held.gross);
            held.share = held.share.max(share);
        }
    }

    /// Both ladders of liquidation, and margin calls.
    fn margin(&mut self, shared: &Shared<'_>, scratch: &mut Scratch, scene: &Scene<'_>, out: &mut Vec<Action>) {
        let Scratch { held, wallets, .. } = scratch;
        self.fill_wallets(held, wallets, scene);
        let (mut near, mut calm) = (false, true);
        for wallet in wallets.iter_mut() {
            if wallet.known {
                let step = self.ratio_ladder(wallet.settle, None, wallet.margin, held, shared.config, out);
                near |= step >= RatioStep::Act;
                calm &= step == RatioStep::Calm;
                // Initial margin that is not covered is a margin call: positions shrink until it is.
                let (initial, equity) = (wallet.initial.to_f64(), wallet.margin.equity.to_f64());
                if let Some(share) = leverage::excess(initial, equity, shared.config.leverage_band) {
                    let cross = held.iter_mut().filter(|h| h.is_cross(wallet.settle));
                    cross.for_each(|h| h.share = h.share.max(share));
                }
            }
            for at in 0..held.len() {
                let Some(own) = held.get(at).filter(|h| h.settle == wallet.settle && !h.net.is_zero()) else {
                    continue;
                };
                let (Some(isolated), Some(worth)) = (own.isolated, own.worth) else { continue };
                let Some(equity) = isolated.checked_add(worth.unrealised) else { continue };
                let margin = Margin { wallet: isolated, equity, maintenance: worth.maintenance };
                let room = self.can_add(own, wallet, shared.config);
                let step = self.ratio_ladder(wallet.settle, Some((at, room)), margin, held, shared.config, out);
                near |= step >= RatioStep::Act;
                calm &= step == RatioStep::Calm;
                let added = held.get(at).map_or(Money::ZERO, |h| h.add);
                wallet.given = wallet.given.checked_add(added).unwrap_or(wallet.given);
            }
        }
        for held in held.iter_mut().filter(|h| h.is_perpetual && !h.net.is_zero()) {
            let Some(wallet) = wallets.iter_mut().find(|w| w.settle == held.settle) else { continue };
            let step = self.distance_ladder(held, wallet, shared, scene, out);
            near |= step >= DistanceStep::Halve;
            calm &= step == DistanceStep::Far;
        }
        self.liquidation_near = near || (self.liquidation_near && !calm);
    }

    /// Adds up the wallets of the perpetuals that are held.
    fn fill_wallets(&self, held: &[Held], wallets: &mut Vec<Wallet>, scene: &Scene<'_>) {
        wallets.clear();
        for position in held.iter().filter(|h| h.is_perpetual && !h.net.is_zero()) {
            let at = wallets.iter().position(|w| w.settle == position.settle).unwrap_or_else(|| {
                wallets.push(Wallet {
                    settle: position.settle,
                    margin: Margin::default(),
                    unrealised: Money::ZERO,
                    initial: Money::ZERO,
                    isolated: Money::ZERO,
                    known: true,
                    given: Money::ZERO,
                });
                wallets.len() - 1
            });
            let wallet = &mut wallets[at];
            let taken = match (position.isolated, position.worth) {
                (Some(isolated), _) => wallet.isolated.checked_add(isolated).map(|sum| wallet.isolated = sum),
                (None, Some(worth)) => wallet.add(&worth),
                (None, None) => None,
            };
            wallet.known &= taken.is_some();
        }
        for wallet in wallets {
            let balance = scene.portfolio.balance(self.account, wallet.settle);
            let funds = balance.checked_sub(wallet.isolated);
            match funds.and_then(|funds| Some((funds, funds.checked_add(wallet.unrealised)?))) {
                Some((funds, equity)) => (wallet.margin.wallet, wallet.margin.equity) = (funds, equity),
                None => wallet.known = false,
            }
        }
    }

    /// The ladder of margin ratios: of the cross positions of a settle asset, or of the isolated position at `own`, to which so much could be
    /// added. Answers the step.
    fn ratio_ladder(
        &mut self,
        settle: AssetIdx,
        own: Option<(usize, Money)>,
        margin: Margin,
        held: &mut [Held],
        config: &GuardConfig,
        out: &mut Vec<Action>,
    ) -> RatioStep {
        let is_member = |at: usize, h: &Held| match own {
            Some((own, _)) => at == own,
            None => h.is_cross(settle),
        };
        let in_flight = (held.iter().enumerate())
            .filter(|(at, h)| is_member(*at, h))
            .any(|(_, h)| self.positions.get(h.instrument.index()).is_some_and(PositionWatch::in_flight));
        let instrument = own.and_then(|(at, _)| held.get(at)).map(|h| h.instrument);
        let room = own.map_or(Money::ZERO, |(_, room)| room);
        let watch = match instrument {
            Some(instrument) => &mut self.position_mut(instrument).ratio,
            None => self.wallet_mut(settle),
        };
        let (step, news) = watch.look(margin, config);
        let measure = watch.measure(step, in_flight, room > Money::ZERO);
        if news {
            let limit = match step {
                RatioStep::Calm | RatioStep::Alert => config.margin_ratio_alert,
                RatioStep::Act => config.margin_ratio_act,
                RatioStep::Critical => config.margin_ratio_critical,
            };
            out.push(self.alert(AlertKind::MarginRatio, instrument, Some(margin.ratio()), Some(limit.to_f64())));
        }
        match measure {
            Measure::Nothing => {}
            Measure::Cut => {
                let members = held.iter_mut().enumerate().filter(|(at, h)| is_member(*at, h));
                members.for_each(|(_, h)| h.share = h.share.max(config.margin_cut));
            }
            Measure::AddMargin => {
                let members = held.iter_mut().enumerate().filter(|(at, h)| is_member(*at, h));
                members.for_each(|(_, h)| h.add = room);
            }
            Measure::CloseWorst => {
                for _ in 0..config.margin_close_worst {
                    let open = held.iter().enumerate().filter(|(at, h)| is_member(*at, h) && h.share < Rate::ONE);
                    let worst =
                        open.min_by_key(|(_, h)| h.worth.map_or(Money::ZERO, |w| w.unrealised)).map(|(at, _)| at);
                    match worst.and_then(|at| held.get_mut(at)) {
                        Some(h) => h.share = Rate::ONE,
                        None => break,
                    }
                }
            }
        }
        step
    }

    /// The ladder of distances of one position.
    fn distance_ladder(
        &mut self,
        held: &mut Held,
        wallet: &mut Wallet,
        shared: &Shared<'_>,
        scene: &Scene<'_>,
        out: &mut Vec<Action>,
    ) -> DistanceStep {
        let config = shared.config;
        let Some(worth) = held.worth else { return DistanceStep::Far };
        let Some(rules) = scene.table.get(held.instrument) else { return DistanceStep::Far };
        // The others' maintenance margin is taken off, their profit added: all that this position can lose.
        let funds = match held.isolated {
            Some(isolated) => Some(isolated),
            None if wallet.known => (wallet.margin.equity.checked_sub(worth.unrealised))
                .and_then(|others| others.checked_sub(wallet.margin.maintenance)?.checked_add(worth.maintenance)),
            None => None,
        };
        let one = flat(rules.margin_maintenance);
        let tiers = tiers_of(shared.tiers, held.instrument).unwrap_or(&one);
        let base = base_of(rules, held.net);
        let at = base.and_then(|base| liquidation_price(base, held.cost, funds?, tiers));
        let Some(at) = at else { return DistanceStep::Far };
        let far = distance(worth.mark, at, held.net > Quantity::ZERO);
        let step = DistanceStep::of(far, config);
        match step {
            DistanceStep::Close => held.share = Rate::ONE,
            DistanceStep::Halve => held.share = held.share.max(Rate::from_raw(Rate::ONE.raw() / 2)),
            DistanceStep::Add if held.isolated.is_some() && held.add.is_zero() => {
                held.add = self.can_add(held, wallet, config);
                wallet.given = wallet.given.checked_add(held.add).unwrap_or(Money::ZERO);
            }
            DistanceStep::Add | DistanceStep::Far => {}
        }
        let watch = self.position_mut(held.instrument);
        let news = step > watch.told;
        // Told again only after it was clearly farther away.
        watch.told = if far > config.distance_add.to_f64() * 1.05 { step } else { watch.told.max(step) };
        if news {
            let limit = step.bound(config).to_f64();
            out.push(self.alert(AlertKind::LiquidationDistance, Some(held.instrument), Some(far), Some(limit)));
        }
        step
    }

    /// How much margin may be added to an isolated position: once, half of the free funds at most, and never so much that the isolated
    /// positions together bind more than the heat limit.
    fn can_add(&self, held: &Held, wallet: &Wallet, config: &GuardConfig) -> Money {
        let added = self.positions.get(held.instrument.index()).is_none_or(|watch| watch.margin_added);
        let amount = || {
            let Margin { wallet: funds, equity, .. } = wallet.margin;
            let free = funds.min(equity).checked_sub(wallet.initial)?.checked_sub(wallet.given)?;
            let most = free.times(config.margin_add_max, Rounding::Down)?;
            let heat = self.equity?.times(config.margin_heat_max, Rounding::Down)?;
            let room = heat.checked_sub(wallet.isolated)?.checked_sub(wallet.given)?;
            Some(most.min(room).max(Money::ZERO))
        };
        let usable = !added && wallet.known && self.unknown.is_none();
        if usable { amount().unwrap_or(Money::ZERO) } else { Money::ZERO }
    }

    /// Gross exposure against the cap.
    fn leverage(&mut self, shared: &Shared<'_>, scratch: &mut Scratch, scene: &Scene<'_>, out: &mut Vec<Action>) {
        let Some(equity) = self.equity.filter(|_| self.unknown.is_none()) else { return };
        let mut gross = Some(Money::ZERO);
        for held in &scratch.held {
            let exposure = held.worth.and_then(|worth| {
                let quote = scene.table.get(held.instrument)?.quote;
                let Scene { table, view, portfolio, .. } = scene;
                portfolio.in_report_currency(self.account, quote, worth.exposure, table, view, Rounding::Up)
            });
            gross = gross.and_then(|sum| sum.checked_add(exposure?));
        }
        let Some(ratio) = gross.and_then(|gross| leverage::leverage(gross, equity)) else { return };
        let swan = shared.assets.worst_fall().max(self.swan.level());
        let cap = shared.inputs.cap_held(swan, shared.config).to_f64();
        let Some(share) = leverage::excess(ratio, cap, shared.config.leverage_band) else { return };
        if share > Rate::ZERO {
            scratch.held.iter_mut().for_each(|held| held.share = held.share.max(share));
        }
        if ratio > cap && !std::mem::replace(&mut self.leverage_told, true) {
            out.push(self.alert(AlertKind::Leverage, None, Some(ratio), Some(cap)));
        } else if ratio < cap * 0.95 {
            self.leverage_told = false;
        }
    }

    /// Asks for what is wanted and not under way.
    fn ask(&mut self, ts: UnixNanos, scratch: &Scratch, out: &mut Vec<Action>) {
        let account = self.account;
        for held in &scratch.held {
            let instrument = held.instrument;
            let watch = self.position_mut(instrument);
            if held.share > Rate::ZERO {
                if watch.request(ts, held.gross, held.share) {
                    out.push(if held.share >= Rate::ONE {
                        Action::Close { account, instrument, strategy: None }
                    } else {
                        Action::Reduce { account, instrument, fraction: held.share }
                    });
                }
            } else if held.add > Money::ZERO && watch.request_margin(ts) {
                out.push(Action::AddMargin { account, instrument, amount: held.add });
            }
        }
    }

    /// Says which modes the findings ask for, and takes back what is over. While the mode in force is milder they are said again.
    fn announce(&mut self, config: &GuardConfig, scene: &Scene<'_>, out: &mut Vec<Action>) {
        let open = matches!(self.breaker.permit(scene.ts, config), Permit::Refused { .. });
        let swan = self.swan.level();
        // The first two end by a re-arm alone.
        let demands = [
            (self.drawdown.step() == Step::Limit, Mode::Emergency, Cause::Drawdown, config.drawdown_flatten),
            (swan == Level::Close, Mode::Emergency, Cause::BlackSwan, true),
            (self.day.step() == Step::Limit, Mode::Reduced, Cause::DailyLoss, false),
            (open, Mode::Reduced, Cause::Breaker, false),
            (self.liquidation_near, Mode::Reduced, Cause::Liquidation, false),
            (swan.max(self.asset_swan) >= Level::NoNewRisk, Mode::Reduced, Cause::BlackSwan, false),
        ];
        let mut cleared = false;
        for (at, (active, to, cause, _)) in demands.into_iter().enumerate() {
            if !active && self.said & 1 << at != 0 {
                self.said &= !(1 << at);
                if to == Mode::Reduced {
                    out.push(Action::Cleared { cause });
                    cleared = true;
                }
            }
        }
        for (at, (active, to, cause, flatten)) in demands.into_iter().enumerate() {
            // Where one cause was cleared another may still ask for the same mode.
            let again = scene.mode < to || (cleared && to == Mode::Reduced);
            if active && (self.said & 1 << at == 0 || again) {
                self.said |= 1 << at;
                out.push(Action::Mode { to, cause, flatten });
            }
        }
    }

    /// A fill was booked.
    pub(super) fn on_fill(&mut self, opened: bool) {
        if opened {
            self.breaker.opened_position();
        }
        self.due = true;
        // A ratio before and one after a fill differ by more than moves of marks: nothing is projected over it.
        self.wallets.iter_mut().for_each(|watch| watch.before = None);
        self.positions.iter_mut().for_each(|watch| watch.ratio.before = None);
    }

    /// A round trip ended with that profit in report currency, if it is known.
    pub(super) fn on_trip(
        &mut self,
        ts: UnixNanos,
        entered: UnixNanos,
        pnl: Option<Money>,
        config: &GuardConfig,
        scene: &Scene<'_>,
        out: &mut Vec<Action>,
    ) {
        // Without a look so far, what there is now with what was lost is what there was.
        let live = || scene.portfolio.equity(self.account, scene.table, scene.view)?.checked_sub(pnl?.min(Money::ZERO));
        let (Some(pnl), Some(before)) = (pnl, self.before_losses.or_else(live)) else {
            if self.latched.is_none() {
                out.push(self.alert(AlertKind::InputUnknown, None, None, None));
            }
            self.latched = self.latched.or(Some(Unknown::Loss));
            return;
        };
        if self.breaker.on_trip(ts, entered, pnl, before, config) {
            let loss = fraction(self.breaker.loss(), before);
            let value = if self.breaker.state() == State::Closed { None } else { loss };
            out.push(breaker_alert(self.account, None, value, Some(config.breaker_loss_max.to_f64())));
            self.announce(config, scene, out);
        }
    }

    /// A transfer was booked.
    pub(super) fn on_transfer(&mut self, amount: Option<Money>, out: &mut Vec<Action>) {
        self.due = true;
        let Some(amount) = amount else {
            if self.latched.is_none() {
                out.push(self.alert(AlertKind::InputUnknown, None, None, None));
            }
            self.latched = self.latched.or(Some(Unknown::Transfer));
            return;
        };
        // The last equity that was measured is the one before: it rests on believed marks, which the one of this moment may not.
        let Some((before, after)) = self.equity.and_then(|before| Some((before, before.checked_add(amount)?))) else {
            return;
        };
        self.drawdown.transferred(before, after);
        self.day.transferred(before, after);
        if before > Money::ZERO && after > Money::ZERO {
            self.hour.rescale(|raw| scaled(Money::from_raw(raw), before, after).raw());
        } else {
            self.hour = Ring::default();
        }
        self.equity = Some(after);
        self.before_losses = after.checked_add(self.breaker.loss());
    }

    /// A UTC day begins.
    pub(super) fn on_day(&mut self, config: &GuardConfig, scene: &Scene<'_>, out: &mut Vec<Action>) {
        let known = self.unknown.is_none();
        let equity = scene.portfolio.equity(self.account, scene.table, scene.view).filter(|_| known);
        self.day.turn(scene.ts, equity);
        self.due = true;
        self.announce(config, scene, out);
    }

    /// A key holder re-arms the account.
    pub(super) fn rearm(&mut self, ts: UnixNanos) -> bool {
        let standing = self.drawdown.step() != Step::Calm || self.swan.level() != Level::Calm || self.latched.is_some();
        self.drawdown.rearm();
        self.hour = Ring::default();
        self.swan = Swan::default();
        self.latched = None;
        self.said &= !EMERGENCIES;
        self.due = true;
        self.breaker.rearm(ts) || standing
    }

    fn wallet_mut(&mut self, settle: AssetIdx) -> &mut RatioWatch {
        if self.wallets.len() <= settle.index() {
            self.wallets.resize(settle.index() + 1, RatioWatch::default());
        }
        &mut self.wallets[settle.index()]
    }

    fn alert(
        &self,
        kind: AlertKind,
        instrument: Option<InstrumentIdx>,
        value: Option<f64>,
        limit: Option<f64>,
    ) -> Action {
        Action::Alert(Alert { kind, account: self.account, instrument, strategy: None, value, limit })
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        use domain::Digestible;
        let unknown = |what: Option<Unknown>| match what {
            None => 0,
            Some(Unknown::Mark(idx)) => 1 | u64::from(idx.0) << 8,
            Some(Unknown::Jump(idx)) => 2 | u64::from(idx.0) << 8,
            Some(Unknown::Equity) => 3,
            Some(Unknown::Transfer) => 4,
            Some(Unknown::Loss) => 5,
            Some(Unknown::Stale(idx)) => 6 | u64::from(idx.0) << 8,
        };
        d.word(u64::from(self.account.0) | u64::from(self.said) << 32);
        d.word(self.looked.map_or(u64::MAX, |ts| ts.0));
        d.word(
            u64::from(self.due)
                | u64::from(self.liquidation_near) << 1
                | u64::from(self.leverage_told) << 2
                | (self.asset_swan as u64) << 8,
        );
        d.word(unknown(self.unknown));
        d.word(unknown(self.latched));
        d.wide(self.equity.map_or(i128::MIN, Money::raw));
        d.wide(self.before_losses.map_or(i128::MIN, Money::raw));
        self.drawdown.digest(d);
        self.day.digest(d);
        self.breaker.digest(d);
        self.hour.digest(d);
        self.swan.digest(d);
        self.positions.iter().for_each(|watch| watch.digest(d));
        self.wallets.iter().for_each(|watch| watch.digest(d));
    }
}

impl Held {
    const fn new(instrument: InstrumentIdx, size: Quantity) -> Self {
        Self {
            instrument,
            net: Quantity::ZERO,
            gross: size,
            cost: Money::ZERO,
            is_perpetual: false,
            settle: AssetIdx(0),
            worth: None,
            isolated: None,
            share: Rate::ZERO,
            add: Money::ZERO,
        }
    }

    fn is_cross(&self, settle: AssetIdx) -> bool {
        self.is_perpetual && self.isolated.is_none() && self.settle == settle && !self.net.is_zero()
    }

    fn worth_at(&self, mark: Price, rules: &Instrument, tiers: Option<&[Tier]>) -> Option<Worth> {
        let size = self.net.checked_abs()?;
        let exposure = rules.notional(mark, self.gross, Rounding::Up)?;
        let unrealised = rules.notional(mark, self.net, Rounding::Down)?.checked_sub(self.cost)?;
        if !self.is_perpetual {
            return Some(Worth { mark, exposure, unrealised, maintenance: Money::ZERO, initial: Money::ZERO });
        }
        let notional = if size == self.gross { exposure } else { rules.notional(mark, size, Rounding::Up)? };
        let maintenance = match tiers {
            Some(tiers) => maintenance(notional, tiers)?,
            None => notional.times(rules.margin_maintenance, Rounding::Up)?,
        };
        let initial = notional.times(rules.margin_initial, Rounding::Up)?;
        Some(Worth { mark, exposure, unrealised, maintenance, initial })
    }
}

impl Wallet {
    fn add(&mut self, worth: &Worth) -> Option<()> {
        self.unrealised = self.unrealised.checked_add(worth.unrealised)?;
        self.margin.maintenance = self.margin.maintenance.checked_add(worth.maintenance)?;
        self.initial = self.initial.checked_add(worth.initial)?;
        Some(())
    }
}

/// An alert about a black swan's level.
pub(super) fn swan_alert(account: AccountId, instrument: Option<InstrumentIdx>, rose: &Rose) -> Action {
    let (value, limit) = (Some(rose.moved), Some(rose.swan.to_f64()));
    Action::Alert(Alert { kind: AlertKind::BlackSwan, account, instrument, strategy: None, value, limit })
}

/// The venue's tiers of an instrument, where they were set.
fn tiers_of(tiers: &[Tiers], idx: InstrumentIdx) -> Option<&[Tier]> {
    tiers.get(idx.index()).map(Tiers::as_slice).filter(|tiers| !tiers.is_empty())
}

/// Units of base, signed.
fn base_of(rules: &Instrument, net: Quantity) -> Option<Quantity> {
    mul_money(net.raw(), rules.multiplier.raw(), Rounding::Down).map(Quantity::from_raw)
}

/// Average entry price as a mantissa.
fn entry_mantissa(rules: &Instrument, net: Quantity, cost: Money) -> Option<i64> {
    let base = base_of(rules, net)?.checked_abs()?;
    let price = div_money(cost.checked_abs()?.raw(), base.raw(), Rounding::Down)?;
    let unit = POW10[usize::from(MONEY_DECIMALS.checked_sub(rules.price_decimals)?)];
    i64::try_from(price / i128::from(unit)).ok()
}

stored_enum!(Unknown, "what the guard does not know" {
    1 => Mark(idx),
    2 => Jump(idx),
    3 => Equity,
    4 => Transfer,
    5 => Loss,
    6 => Stale(idx),
});
stored_struct!(AccountWatch {
    account,
    drawdown,
    day,
    breaker,
    looked,
    due,
    hour,
    swan,
    equity,
    before_losses,
    unknown,
    latched,
    liquidation_near,
    leverage_told,
    asset_swan,
    said,
    positions,
    wallets,
});
