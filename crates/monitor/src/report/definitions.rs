//! What each figure of a report means: the same words, formulas and sources as `docs/statistics.md`, which a test compares.

/// One figure.
pub(super) struct Definition {
    /// The anchor inside of the page.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Who defined it; empty where it is plain arithmetic.
    pub source: &'static str,
}

/// All of them, in the order of the page.
pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        key: "equity",
        name: "Equity",
        meaning: "What the account is worth: cash, and every position at its last price, without the cost of closing it.",
        formula: "E = transfers + realised + unrealised + funding - fees",
        source: "",
    },
    Definition {
        key: "return",
        name: "Return after costs",
        meaning: "What the run made of the cash, fees, funding and slippage paid.",
        formula: "R = E[end] / cash - 1",
        source: "",
    },
    Definition {
        key: "hold",
        name: "Buy and hold",
        meaning: "The same cash in equal parts in each instrument, bought at its first close with its taker fee paid, and never sold. Without funding, so it flatters a perpetual.",
        formula: "H[t] = sum over i of q[i] x mark[i][t], with q[i] = cash / n / (1 + fee) / mark[i][first]",
        source: "",
    },
    Definition {
        key: "drawdown",
        name: "Drawdown",
        meaning: "How far the account is below the highest value it ever had. The largest one is over all samples of the run; the chart shows the deepest of each hour.",
        formula: "D[t] = E[t] / max(E[s], s <= t) - 1",
        source: "",
    },
    Definition {
        key: "underwater",
        name: "Longest time below a peak",
        meaning: "The longest time from a peak until a new one was reached, or until the end of the run. From hourly values.",
        formula: "max over t of (t - time of the last peak before t)",
        source: "",
    },
    Definition {
        key: "cagr",
        name: "Return a year (CAGR)",
        meaning: "The steady yearly return that ends at the same value. Not given for runs under a year: it would promise what was not seen.",
        formula: "(1 + R)^(365 / days) - 1",
        source: "",
    },
    Definition {
        key: "volatility",
        name: "Volatility",
        meaning: "How much the daily returns (UTC days, between the values at their ends) vary, a year.",
        formula: "std(r) x sqrt(365), divisor n - 1",
        source: "",
    },
    Definition {
        key: "sharpe",
        name: "Sharpe ratio",
        meaning: "Mean daily return over its standard deviation, a year, without a risk-free rate: markets that never close have 365 days. The ± is half of the 95 % interval for independent returns: a ratio below it is not told apart from zero.",
        formula: "SR = mean(r) / std(r) x sqrt(365); ± 1.96 x sqrt((365 + SR^2 / 2) / n)",
        source: "Sharpe (1994), The Journal of Portfolio Management 21(1), 49-58; interval: Lo (2002), Financial Analysts Journal 58(4), 36-52",
    },
    Definition {
        key: "rolling",
        name: "Rolling Sharpe ratio",
        meaning: "The Sharpe ratio of the latest days only, at each day. The window is 180 days for runs of 720 daily returns and more, 90 from 270, 30 from 60.",
        formula: "SR over r[t-w+1..t]",
        source: "Sharpe (1994)",
    },
    Definition {
        key: "sortino",
        name: "Sortino ratio",
        meaning: "As the Sharpe ratio, with only the falls counted as risk.",
        formula: "mean(r) x 365 / (sqrt(mean(min(r, 0)^2)) x sqrt(365))",
        source: "Sortino and Price (1994), The Journal of Investing 3(3), 59-64",
    },
    Definition {
        key: "calmar",
        name: "Calmar ratio",
        meaning: "Yearly return over the largest drawdown, over the whole run; for runs of a year and more.",
        formula: "CAGR / |D max|",
        source: "Young (1991), Futures 20(1), 40; there over 36 months",
    },
    Definition {
        key: "trade",
        name: "Trade",
        meaning: "A round trip of one strategy in one instrument, from flat to flat; what is left below the venue's minimum is dust and ends it. Its profit is after all fees of its fills.",
        formula: "P = realised - fees",
        source: "",
    },
    Definition {
        key: "winrate",
        name: "Winning trades",
        meaning: "Share of the closed trades with a profit after fees. By itself it says nothing: many small profits can pay for one large loss.",
        formula: "#(P > 0) / #",
        source: "",
    },
    Definition {
        key: "profitfactor",
        name: "Profit factor",
        meaning: "What the winning trades earned for each unit that the losing ones lost; below 1 the trades lost money.",
        formula: "sum(max(P, 0)) / sum(max(-P, 0))",
        source: "",
    },
    Definition {
        key: "expectancy",
        name: "Mean profit of a trade",
        meaning: "What one trade brought on average, after fees.",
        formula: "mean(P)",
        source: "",
    },
    Definition {
        key: "bins",
        name: "Histogram of profits",
        meaning: "Closed trades by profit. The width of the bars is rounded up to 1, 2 or 5 times a power of ten; the outer bars hold all that lies beyond.",
        formula: "width = 2 x IQR x n^(-1/3)",
        source: "Freedman and Diaconis (1981), Zeitschrift für Wahrscheinlichkeitstheorie 57, 453-476",
    },
    Definition {
        key: "exposure",
        name: "Exposure",
        meaning: "What is held as a fraction of equity, at the end of each hour: gross adds long and short positions, net takes short ones from long ones. Time in the market is the share of hours with a gross exposure above 0.1 %.",
        formula: "gross = sum |q[i] x mark[i]| / E; net = sum q[i] x mark[i] / E",
        source: "",
    },
    Definition {
        key: "turnover",
        name: "Turnover",
        meaning: "The value of all fills, buys and sells, in quote; maker is what rested in the book, taker what crossed the spread.",
        formula: "sum(price x quantity x multiplier)",
        source: "",
    },
    Definition {
        key: "costs",
        name: "Costs",
        meaning: "Fees, funding paid less received, and slippage where it is known apart from the prices; otherwise slippage is inside the prices of the fills. As a share of the gross profit: what they took of what would have been earned without them.",
        formula: "C = fees + funding + slippage; share = C / (E[end] - cash + C)",
        source: "",
    },
    Definition {
        key: "attribution",
        name: "Attribution",
        meaning: "What each strategy brought, exact from the ledger: realised before fees, fees, and what its open positions would bring at the last prices. Funding belongs to the account.",
        formula: "total = realised + unrealised - fees",
        source: "",
    },
    Definition {
        key: "refusals",
        name: "Refusals",
        meaning: "Orders that the risk gates stopped before they left, by the first check that failed, and what the venue refused or ended by itself. A refusal is not an error: it is a limit that held.",
        formula: "count by reason",
        source: "",
    },
    Definition {
        key: "mark",
        name: "Mark",
        meaning: "The price positions are valued at: the last trade or close, else the middle of bid and ask. The bars of the price chart are made of marks at samples, so the highs and lows inside of a candle are not in them, and a fill may lie outside of its bar.",
        formula: "open = last mark of the bar before",
        source: "",
    },
    Definition {
        key: "digest",
        name: "Digest",
        meaning: "A fingerprint of all inputs and decisions (digest) and of the state at the end (state digest): two runs with equal ones did the same.",
        formula: "running hash over inputs by value and commands",
        source: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_the_same() {
        let document = include_str!("../../../../docs/statistics.md");
        for d in DEFINITIONS {
            for part in [&format!("### {}\n", d.name), d.meaning, d.formula, d.source] {
                assert!(document.contains(part), "docs/statistics.md lacks of {}: {part}", d.name);
            }
        }
        let headings = document.lines().filter(|l| l.starts_with("### ")).count();
        assert_eq!(headings, DEFINITIONS.len(), "one heading a definition");
    }

    #[test]
    fn keys_are_anchors_of_their_own() {
        let mut keys: Vec<_> = DEFINITIONS.iter().map(|d| d.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), DEFINITIONS.len());
        assert!(keys.iter().all(|k| k.bytes().all(|b| b.is_ascii_lowercase())));
    }
}
