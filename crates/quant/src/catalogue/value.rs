//! Values that go into and come out of functions called by name. Text formats (JSON, command lines) are the caller's.

/// A parameter or a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Undefined: a ratio over zero, a statistic of too few values.
    Missing,
    /// A yes or no.
    Bool(bool),
    /// A number; results are always finite.
    Number(f64),
    /// An exact count.
    Integer(i64),
    /// Words.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// One value per input row; `None` while the function is not defined.
    Series(Vec<Option<f64>>),
    /// Named values in a written order.
    Map(Vec<(String, Value)>),
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Missing, Self::Number)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        i64::try_from(value).map_or(Self::Missing, Self::Integer)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Vec<Option<f64>>> for Value {
    fn from(value: Vec<Option<f64>>) -> Self {
        Self::Series(value)
    }
}

impl Value {
    /// The value as a number; words that spell one count, as they come from a command line.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Integer(i) => Some(*i as f64),
            Self::Text(t) => t.trim().parse().ok(),
            _ => None,
        }
    }

    /// The first number in the value, however deep, that is NaN or infinite.
    pub(crate) fn not_finite(&self) -> Option<f64> {
        match self {
            Self::Number(n) => (!n.is_finite()).then_some(*n),
            Self::Series(s) => s.iter().flatten().copied().find(|v| !v.is_finite()),
            Self::List(l) => l.iter().find_map(Self::not_finite),
            Self::Map(m) => m.iter().find_map(|(_, v)| v.not_finite()),
            Self::Missing | Self::Bool(_) | Self::Integer(_) | Self::Text(_) => None,
        }
    }
}

/// Parameters by name, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(Vec<(String, Value)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: &str, value: impl Into<Value>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The parameters in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Named results in the order the function declares them.
pub type Outputs = Vec<(&'static str, Value)>;
