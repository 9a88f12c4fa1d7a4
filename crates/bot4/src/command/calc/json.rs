//! JSON on both sides of a case: values read in their written order, answers written in the shape of the reference files.
//!
//! Missing values are `null`, infinities are `"inf"` and `"-inf"`; numbers are written with the shortest digits that read back the same.

use super::answer::{Answer, CaseError};
use quant::catalogue::{Params, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use std::fmt;

/// A JSON value as the catalogue takes it; objects keep the order they are written in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed(pub Value);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Parsed(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((name, Parsed(value))) = entries.next_entry()? {
            map.push((name, value));
        }
        Ok(Value::Map(map))
    }
}

/// A value as JSON.
pub(super) struct Shown<'a>(pub &'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Missing => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Integer(i) => serializer.serialize_i64(*i),
            Value::Number(n) => Double(*n).serialize(serializer),
            Value::Text(t) => serializer.serialize_str(t),
            Value::List(list) => serializer.collect_seq(list.iter().map(Shown)),
            Value::Series(series) => {
                let mut out = serializer.serialize_seq(Some(series.len()))?;
                series.iter().try_for_each(|value| out.serialize_element(&value.map(Double)))?;
                out.end()
            }
            Value::Map(map) => serializer.collect_map(map.iter().map(|(name, value)| (name, Shown(value)))),
        }
    }
}

struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            n if n.is_finite() => serializer.serialize_f64(n),
            n if n.is_nan() => serializer.serialize_unit(),
            n => serializer.serialize_str(if n > 0.0 { "inf" } else { "-inf" }),
        }
    }
}

/// Outputs by name, in their order.
struct Outputs<'a>(&'a [(&'static str, Value)]);

impl Serialize for Outputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Shown(value))))
    }
}

/// The answer to a case.
pub(super) struct Line<'a> {
    /// The case.
    pub id: &'a str,
    /// Its answer.
    pub result: &'a Result<Answer, CaseError>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("id", self.id)?;
        match self.result {
            Ok(answer) => {
                line.serialize_entry("outputs", &Outputs(&answer.outputs))?;
                if let Some(run) = &answer.run {
                    line.serialize_entry("run", run)?;
                }
            }
            Err(error) => line.serialize_entry("error", &error.to_string())?,
        }
        line.end()
    }
}

/// The answer to a call on the command line.
pub(super) struct Short<'a> {
    /// The function's own name.
    pub function: &'static str,
    /// Parameters as given.
    pub params: &'a Params,
    /// Columns of the table.
    pub inputs: &'a [&'a str],
    /// What came of it.
    pub answer: &'a Answer,
}

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("function", self.function)?;
        let params = Value::Map(self.params.iter().map(|(name, value)| (name.to_owned(), typed(value))).collect());
        line.serialize_entry("params", &Shown(&params))?;
        line.serialize_entry("inputs", self.inputs)?;
        line.serialize_entry("outputs", &Outputs(&self.answer.outputs))?;
        if let Some(run) = &self.answer.run {
            line.serialize_entry("run", run)?;
        }
        line.end()
    }
}

/// Words that spell a number become the number.
fn typed(value: &Value) -> Value {
    match value {
        Value::Text(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(i), _) => Value::Integer(i),
            (_, Ok(n)) => Value::Number(n),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_their_written_order_and_written_back() {
        let text = r#"{"z":1,"a":[0.1,null,"inf",-2,true,1e-7],"m":{"y":"w","b":[]}}"#;
        let parsed: Parsed = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&Shown(&parsed.0)).unwrap(), text);
        let Value::Map(entries) = parsed.0 else { panic!() };
        assert_eq!(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["z", "a", "m"]);
        let big: Parsed = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(big.0, Value::Number(18_446_744_073_709_551_615.0));
    }

    #[test]
    fn missing_and_infinite_values_are_written_as_agreed() {
        let series =
            Value::Series(vec![None, Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(0.1 + 0.2), Some(1e-7)]);
        assert_eq!(serde_json::to_string(&Shown(&series)).unwrap(), r#"[null,"inf","-inf",0.30000000000000004,1e-7]"#);
        assert_eq!(serde_json::to_string(&Shown(&Value::Number(f64::NAN))).unwrap(), "null");
    }
}
