//! The schedules that are known, as data.
//!
//! Rates are counts of 1e-6 (0.0001 %), volumes whole units of the volume currency. What a venue answers about an account wins over these
//! figures: `GET /api/v3/account/commission` (Binance spot), `GET /fapi/v1/commissionRate` (Binance USD-M), `GET /api/v5/account/trade-fee`
//! (OKX), `TradeVolume` and the fees of executions (Kraken).

use super::schedule::{ChargedIn, Discount, Holding, RebateIn, Renewal, Schedule, Tier, Trust};
use Trust::{Recorded, Secondary, Unverified};
use domain::{InstrumentKind, Money, Quantity, Rate};

/// Name, least volume, holding, maker, taker, trust in the rates, trust in the thresholds.
type Row = (&'static str, Option<i64>, Option<i64>, i32, i32, Trust, Trust);

/// Percent of the received asset. Regular tier and discount are confirmed by clients of 2026; VIP 1 to 9 are believed for 2024 and 2025.
const BINANCE_SPOT: &[Row] = &[
    ("Regular", Some(0), None, 1_000, 1_000, Recorded, Recorded),
    ("VIP 1", Some(1_000_000), Some(25), 900, 1_000, Unverified, Unverified),
    ("VIP 2", Some(5_000_000), Some(100), 800, 1_000, Unverified, Unverified),
    ("VIP 3", Some(20_000_000), Some(250), 400, 600, Unverified, Unverified),
    ("VIP 4", Some(100_000_000), Some(500), 400, 520, Unverified, Unverified),
    ("VIP 5", Some(150_000_000), Some(1_000), 250, 310, Unverified, Unverified),
    ("VIP 6", Some(400_000_000), Some(1_750), 200, 290, Unverified, Unverified),
    ("VIP 7", Some(800_000_000), Some(3_000), 190, 280, Unverified, Unverified),
    ("VIP 8", Some(2_000_000_000), Some(4_500), 160, 250, Unverified, Unverified),
    ("VIP 9", Some(4_000_000_000), Some(5_500), 110, 230, Unverified, Unverified),
];

/// Percent of the notional, in the margin asset, USDT-margined.
const BINANCE_USDM: &[Row] = &[
    ("Regular", Some(0), None, 200, 500, Secondary, Recorded),
    ("VIP 1", Some(15_000_000), None, 160, 400, Secondary, Unverified),
    ("VIP 2", Some(50_000_000), None, 140, 350, Secondary, Unverified),
    ("VIP 3", Some(100_000_000), None, 120, 320, Secondary, Unverified),
    ("VIP 4", Some(600_000_000), None, 100, 300, Secondary, Unverified),
    ("VIP 5", Some(1_000_000_000), None, 80, 270, Secondary, Unverified),
    ("VIP 6", Some(2_500_000_000), None, 60, 250, Secondary, Unverified),
    ("VIP 7", Some(5_000_000_000), None, 40, 220, Unverified, Unverified),
    ("VIP 8", Some(12_500_000_000), None, 20, 200, Unverified, Unverified),
    ("VIP 9", Some(25_000_000_000), None, 0, 170, Unverified, Unverified),
];

/// Spot, group 1, as the public page said in an earlier state. The volumes of the tiers are not known.
const OKX_SPOT: &[Row] = &[
    ("Lv1", Some(0), None, 800, 1_000, Secondary, Recorded),
    ("Lv2", None, None, 750, 950, Unverified, Unverified),
    ("Lv3", None, None, 700, 900, Unverified, Unverified),
    ("Lv4", None, None, 650, 850, Unverified, Unverified),
    ("Lv5", None, None, 600, 800, Secondary, Unverified),
    ("VIP1", None, None, 600, 800, Secondary, Unverified),
    ("VIP2", None, None, 500, 700, Secondary, Unverified),
    ("VIP3", None, None, 300, 600, Secondary, Unverified),
    ("VIP4", None, None, 200, 500, Secondary, Unverified),
    ("VIP5", None, None, 0, 400, Secondary, Unverified),
    ("VIP6", None, None, -20, 300, Secondary, Unverified),
    ("VIP7", None, None, -50, 250, Secondary, Unverified),
    ("VIP8", None, None, -50, 200, Secondary, Unverified),
];

/// Swaps, in the settle asset. The volumes of the tiers are not known.
const OKX_SWAP: &[Row] = &[
    ("Lv1", Some(0), None, 200, 500, Secondary, Recorded),
    ("VIP1", None, None, 180, 400, Unverified, Unverified),
    ("VIP2", None, None, 160, 350, Unverified, Unverified),
    ("VIP3", None, None, 140, 320, Unverified, Unverified),
    ("VIP4", None, None, 120, 300, Unverified, Unverified),
    ("VIP5", None, None, 100, 280, Unverified, Unverified),
    ("VIP6", None, None, 50, 250, Unverified, Unverified),
    ("VIP7", None, None, 0, 200, Unverified, Unverified),
    ("VIP8", None, None, -50, 150, Unverified, Unverified),
];

/// As the venue's `AssetPairs` said for XBTUSDT on 2025-11-11.
const KRAKEN_SPOT: &[Row] = &[
    ("0", Some(0), None, 2_500, 4_000, Recorded, Recorded),
    ("10K", Some(10_000), None, 2_000, 3_500, Recorded, Recorded),
    ("50K", Some(50_000), None, 1_400, 2_400, Recorded, Recorded),
    ("100K", Some(100_000), None, 1_200, 2_200, Recorded, Recorded),
    ("250K", Some(250_000), None, 1_000, 2_000, Recorded, Recorded),
    ("500K", Some(500_000), None, 800, 1_800, Recorded, Recorded),
    ("1M", Some(1_000_000), None, 600, 1_600, Recorded, Recorded),
    ("2.5M", Some(2_500_000), None, 400, 1_400, Recorded, Recorded),
    ("5M", Some(5_000_000), None, 200, 1_200, Recorded, Recorded),
    ("10M", Some(10_000_000), None, 0, 1_000, Recorded, Recorded),
];

/// The names of the schedules that are known.
pub const KNOWN: [&str; 5] = ["binance_spot", "binance_usdm", "okx_spot", "okx_swap", "kraken_spot"];

/// The schedule of that name; `None` for one that is not in [`KNOWN`].
#[must_use]
pub fn known(name: &str) -> Option<Schedule> {
    use InstrumentKind::{LinearPerpetual, Spot};
    let percent = |p: i64| Some(Discount { asset: "BNB".into(), fraction: Rate::from_raw(p * Rate::ONE.raw() / 100) });
    let (kind, charged_in, rebate_in, renewal, discount, rows, origin) = match name {
        "binance_spot" => (
            Spot,
            ChargedIn::Received,
            RebateIn::Same,
            Renewal::Daily,
            percent(25),
            BINANCE_SPOT,
            "fee page and clients' code: regular tier and the 25 % in BNB are confirmed (2026); VIP 1-9 are believed for 2024-2025, \
             not verified; pairs with promotional or USDC rates differ",
        ),
        "binance_usdm" => (
            LinearPerpetual,
            ChargedIn::Settle,
            RebateIn::Same,
            Renewal::Daily,
            percent(10),
            BINANCE_USDM,
            "regular to VIP 6 from one secondary source (2024-2026); VIP 7-9 and all volumes are not verified; tiers ask for BNB too, \
             how much is not known and not in the table; USDC-margined pairs have lower maker rates",
        ),
        "okx_spot" => (
            Spot,
            ChargedIn::Received,
            RebateIn::Given,
            Renewal::Daily,
            None,
            OKX_SPOT,
            "group 1 from the public page in an earlier state, indicative only: a new tier rule was announced for 2026-04-07; Lv2-Lv4 \
             are not verified, volumes and assets of the tiers are not known: a tier above Lv1 has to be told",
        ),
        "okx_swap" => (
            LinearPerpetual,
            ChargedIn::Settle,
            RebateIn::Same,
            Renewal::Daily,
            None,
            OKX_SWAP,
            "USDT-margined; Lv1 from the public page in an earlier state, VIP values not verified, volumes and assets of the tiers not \
             known: a tier above Lv1 has to be told",
        ),
        "kraken_spot" => (
            Spot,
            ChargedIn::Quote,
            RebateIn::Same,
            Renewal::EachTrade,
            None,
            KRAKEN_SPOT,
            "AssetPairs of XBTUSDT, recorded 2025-11-11; tiers above 10M were announced as a trial (2023) and are left out; stablecoin \
             and FX pairs have another table; fees are taken in quote unless the order asks for base",
        ),
        _ => return None,
    };
    let tier = |row: &Row| {
        let (name, volume, holding, maker, taker, rates, threshold) = *row;
        Tier {
            name: name.into(),
            volume_min: volume.map(Money::from_units),
            holding: holding.map(|n| Holding { asset: "BNB".into(), quantity: Quantity::from_units(n) }),
            maker: Rate::from_raw(i64::from(maker) * 1_000_000),
            taker: Rate::from_raw(i64::from(taker) * 1_000_000),
            rates,
            threshold,
        }
    };
    Some(Schedule {
        name: name.into(),
        kind,
        charged_in,
        rebate_in,
        volume_currency: "USD".into(),
        renewal,
        discount,
        tiers: rows.iter().map(tier).collect(),
        origin: origin.into(),
    })
}
