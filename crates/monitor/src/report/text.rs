//! Text for people: escaping, numbers, times.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{self, Write as _};

/// Text that is shown as it is: what means something in HTML is escaped.
pub(super) struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                // A control character in a name must not hide or turn around what follows it.
                c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// JSON inside of a `<script>`: nothing in it can end the element.
pub(super) fn json_in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// What stands where there is nothing to say.
pub(super) const NONE: &str = "–";

/// A number with thousands separated by narrow spaces and a proper minus sign.
pub(super) fn number(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return NONE.into();
    }
    let plain = format!("{:.decimals$}", x.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::with_capacity(plain.len() + 8);
    // A number that rounds to zero has no sign.
    if x < 0.0 && plain.bytes().any(|b| b.is_ascii_digit() && b != b'0') {
        out.push('−');
    }
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A count.
pub(super) fn count(n: u64) -> String {
    number(n as f64, 0)
}

/// An amount of money: whole units from 100,000 on, otherwise two decimals, more for small ones.
pub(super) fn money(x: f64) -> String {
    number(x, decimals_of(x))
}

/// An amount with its sign.
pub(super) fn signed_money(x: f64) -> String {
    plus(x, money(x))
}

/// A price: at least six digits that mean something.
pub(super) fn price(x: f64) -> String {
    let size = x.abs();
    let decimals =
        if size >= 1_000.0 || size == 0.0 { 2 } else { (5.0 - size.log10().floor()).clamp(2.0, 12.0) as usize };
    number(x, decimals)
}

fn decimals_of(x: f64) -> usize {
    match x.abs() {
        a if a >= 100_000.0 => 0,
        a if !(0.000_05..0.01).contains(&a) => 2,
        _ => 4,
    }
}

/// A fraction as a percentage.
pub(super) fn percent(x: f64) -> String {
    let x = 100.0 * x;
    let decimals = if x.abs() >= 1_000.0 {
        0
    } else if x.abs() >= 100.0 {
        1
    } else {
        2
    };
    number(x, decimals) + "\u{202f}%"
}

/// A fraction as a percentage with its sign.
pub(super) fn signed_percent(x: f64) -> String {
    plus(x, percent(x))
}

fn plus(x: f64, text: String) -> String {
    let is_zero = !text.bytes().any(|b| b.is_ascii_digit() && b != b'0');
    if x > 0.0 && x.is_finite() && !is_zero { format!("+{text}") } else { text }
}

/// A number or a dash.
pub(super) fn or_none(x: Option<f64>, text: impl Fn(f64) -> String) -> String {
    x.map_or_else(|| NONE.into(), text)
}

/// A length of time in its largest two units.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return NONE.into();
    }
    let s = seconds.max(0.0).round() as u64;
    let (days, hours, minutes) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    match (days, hours, minutes) {
        (100.., _, _) => format!("{} d", number(days as f64, 0)),
        (1.., 0, _) => format!("{days} d"),
        (1.., h, _) => format!("{days} d {h} h"),
        (0, 1.., 0) => format!("{hours} h"),
        (0, 1.., m) => format!("{hours} h {m} min"),
        (0, 0, 1..) => format!("{minutes} min"),
        (0, 0, 0) => format!("{s} s"),
    }
}

/// A time: `2021-05-19 13:00`.
pub(super) fn time(ms: i64) -> String {
    when(ms, "%Y-%m-%d %H:%M")
}

/// A date: `2021-05-19`.
pub(super) fn date(ms: i64) -> String {
    when(ms, "%Y-%m-%d")
}

fn when(ms: i64, form: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(timestamp) => TimeZone::UTC.to_datetime(timestamp).strftime(form).to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// A key such as `position_limit` in words.
pub(super) fn words(key: &str) -> String {
    key.replace(['_', '-'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(Escaped("<script>'\"&").to_string(), "&lt;script&gt;&#39;&quot;&amp;");
        assert_eq!(Escaped("{\n\t}").to_string(), "{\n\t}");
        assert_eq!(Escaped("a\u{202e}b\u{0}").to_string(), "a\u{fffd}b\u{fffd}");
        let json = json_in_script("{\"a\":\"</script><!--\u{2028}&\"}");
        assert_eq!(json, "{\"a\":\"\\u003c/script\\u003e\\u003c!--\\u2028\\u0026\"}");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["a"], "</script><!--\u{2028}&");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(1_234_567.891, 2), "1\u{202f}234\u{202f}567.89");
        assert_eq!(number(-999.0, 0), "−999");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(f64::NAN, 2), NONE);
        assert_eq!(money(10_000.0), "10\u{202f}000.00");
        assert_eq!(money(0.0123), "0.01");
        assert_eq!(money(-0.001_23), "−0.0012");
        assert_eq!(money(-0.000_001), "0.00");
        assert_eq!(signed_money(5.0), "+5.00");
        assert_eq!(percent(-0.1234), "−12.34\u{202f}%");
        assert_eq!(signed_percent(0.000_001), "0.00\u{202f}%");
        assert_eq!(price(0.000_012_345_67), "0.0000123457");
        assert_eq!(price(64_000.5), "64\u{202f}000.50");
        assert_eq!(duration(90_061.0), "1 d 1 h");
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(7_200.0), "2 h");
        assert_eq!(time(1_609_459_200_000), "2021-01-01 00:00");
    }
}
