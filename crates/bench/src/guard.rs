//! The guard: time of one look at an account with so many positions, while every mark moves.

use crate::measure::{cpu_s, fastest, line};
use domain::{
    AccountId, ClientOrderId, Fill, InstrumentIdx, InstrumentTable, Liquidity, MarketFlags, MarketView, Mode, Money,
    Side, StrategyIdx, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use risk::{Guard, GuardConfig, Scene};
use serde_json::json;
use testkit::generate::Seeded;

const ACCOUNT: AccountId = AccountId(0);
/// Looks per measurement.
const LOOKS: u64 = 20_000;

/// 1, 10 and 100 perpetual positions, a look each second of engine time.
pub fn run(runs: usize) -> Result<(), String> {
    for positions in [1, 10, 100] {
        let (cpu, said) = fastest(runs, || once(positions))?;
        line(&format!("guard {positions} positions"), LOOKS, cpu, json!({ "positions": positions, "actions": said }));
    }
    Ok(())
}

fn once(positions: u16) -> Result<(f64, u64), String> {
    let mut table = InstrumentTable::default();
    let usdt = table.asset("USDT", 8).map_err(|e| e.to_string())?;
    let (mut view, mut portfolio) = (MarketView::default(), Portfolio::new(usdt));
    portfolio.transfer(ACCOUNT, usdt, Money::from_units(1_000_000)).map_err(|e| e.to_string())?;
    for n in 0..positions {
        let rules = testkit::add_perpetual(&mut table, &format!("X{n}USDT"), 2, 3);
        portfolio.define(&rules);
        view.add_instrument(rules.idx);
        view.traded(testkit::T0, rules.idx, 1_000_000, MarketFlags::default());
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, u64::from(n)),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: u64::from(n),
            price: 1_000_000,
            // Twice the account together.
            quantity: 200_000 / i64::from(positions),
            instrument: rules.idx,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: usdt,
            side: if n % 2 == 0 { Side::Buy } else { Side::Sell },
            liquidity: Liquidity::Taker,
        };
        portfolio.apply_fill(&table, &fill).map_err(|e| e.to_string())?;
    }
    let mut guard = Guard::new(GuardConfig::default());
    let mut random = Seeded::new(1);
    let moves: Vec<i64> = (0..4_096).map(|_| random.within(-150, 150)).collect();
    let (mut out, mut said, mut spent) = (Vec::with_capacity(256), 0, 0.0);
    for look in 0..LOOKS {
        let ts = UnixNanos(testkit::T0.0 + look * 1_000_000_000);
        for n in 0..positions {
            // Around a price of 10,000, each a little off.
            let at = (look as usize + usize::from(n) * 31) % moves.len();
            view.traded(ts, InstrumentIdx(n), 1_000_000 + moves[at], MarketFlags::default());
        }
        let scene = Scene {
            ts,
            table: &table,
            view: &view,
            portfolio: &portfolio,
            mode: Mode::Normal,
            standing: risk::Standing::CALM_REF,
        };
        let begin = cpu_s();
        guard.check(&scene, ACCOUNT, &mut out);
        spent += cpu_s() - begin;
        said += out.len() as u64;
        out.clear();
    }
    Ok((spent, said))
}
