//! Tokens: signed JSON Web Tokens of one algorithm and one form, and the claims of an override.
//!
//! In:  claims and a private key, at the holder's; the text of a token and the public keys, at the run's.
//! Out: the text of a token; or what a holder asks for, or why it is refused.
//!
//! The header is compared byte by byte with the only one that there is, so no token can choose an algorithm, a key or a form. What a token
//! is for stands in its header, so one that was signed for one thing is none for another.
//!
//! Sources: RFC 7519 (JSON Web Token), RFC 7515 (compact form), RFC 8037 (EdDSA), RFC 8725 (best current practices).

use super::action::Action;
use super::base64;
use super::holder::{Holders, KeyHolder, Role};
use super::refused::Refused;
use domain::UnixNanos;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::audit::Signer;

/// Longest text of a token, in bytes: the longest that can be signed here has some 600.
pub const BYTES_MAX: usize = 2_048;

/// Longest life of an override, in seconds.
pub const LIFE_MAX_S: u64 = 15 * 60;

/// How far the clocks of a holder and of a run may be apart, in seconds: a token may be so young. It never lives longer for it.
pub const SKEW_S: u64 = 5;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An override.
    Override,
    /// The confirmation of limits.
    Limits,
}

impl Purpose {
    const fn header(self) -> &'static str {
        match self {
            Self::Override => r#"{"alg":"EdDSA","typ":"bot4-override+jwt"}"#,
            Self::Limits => r#"{"alg":"EdDSA","typ":"bot4-limits+jwt"}"#,
        }
    }
}

/// Signs claims.
///
/// # Errors
/// Claims that are no JSON.
pub fn seal<C: Serialize>(purpose: Purpose, claims: &C, signer: &Signer) -> Result<String, serde_json::Error> {
    Ok(compact(purpose.header(), &serde_json::to_string(claims)?, signer))
}

/// Header, payload and signature in one text.
fn compact(header: &str, payload: &str, signer: &Signer) -> String {
    let mut text = format!("{}.{}", base64::encode(header.as_bytes()), base64::encode(payload.as_bytes()));
    let signature = signer.sign(text.as_bytes());
    text.push('.');
    text += &base64::encode(&signature);
    text
}

/// Who signed claims: they name their holder, whose key then has to fit.
pub trait Signed {
    /// The name.
    fn sub(&self) -> &str;
    /// The role.
    fn role(&self) -> &str;
}

/// Opens a token: its form, its holder, its signature. Nothing is done by what it says before the signature holds.
///
/// # Errors
/// [`Refused`], in the order of the checks.
pub fn open<C: DeserializeOwned + Signed>(
    purpose: Purpose,
    text: &str,
    holders: &Holders,
) -> Result<(C, KeyHolder), Refused> {
    if text.len() > BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let form = |what| Refused::Form { what };
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form("three parts with a point between them"));
    };
    if base64::decode(header).as_deref() != Some(purpose.header().as_bytes()) {
        return Err(Refused::Header);
    }
    let payload_json = base64::decode(payload).ok_or_else(|| form("a payload in base64url"))?;
    let signature_bytes = base64::decode_array::<64>(signature).ok_or_else(|| form("a signature of 64 bytes"))?;
    let claims: C = serde_json::from_slice(&payload_json).map_err(|e| Refused::Claims { what: e.to_string() })?;
    let signed = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    if holders.named(claims.sub()).next().is_none() {
        return Err(Refused::UnknownHolder);
    }
    let fits = |known: &&KeyHolder| known.key.verifies(signed.as_bytes(), &signature_bytes);
    let known = holders.named(claims.sub()).find(fits).copied().ok_or(Refused::Signature)?;
    if Role::parse(claims.role()) != Some(known.role) {
        return Err(Refused::Role { role: known.role });
    }
    Ok((claims, known))
}

/// The claims of an override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The holder's name.
    pub sub: String,
    /// The role of the key.
    pub role: String,
    /// When it was signed, seconds since 1970 UTC.
    pub iat: u64,
    /// From when on it holds, seconds since 1970 UTC.
    pub nbf: u64,
    /// From when on it holds no more, seconds since 1970 UTC.
    pub exp: u64,
    /// Its own number, 32 hexadecimal digits: a token is used once.
    pub jti: String,
    /// Which run is meant: the name that `bot4 override sign --run DIR` gives it, or `any`.
    pub run: String,
    /// What is asked for.
    pub act: String,
}

impl Signed for Claims {
    fn sub(&self) -> &str {
        &self.sub
    }

    fn role(&self) -> &str {
        &self.role
    }
}

/// A token that holds: signed by a known key, of this time, for this run, within its role. Whether it was used before is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What it says.
    pub claims: Claims,
    /// Whose key signed it.
    pub known: KeyHolder,
    /// What is asked for.
    pub action: Action,
}

/// Holds a token against the keys, the clock and the run.
///
/// # Errors
/// [`Refused`], with the first check that fails.
pub fn verify(text: &str, holders: &Holders, run: Option<&str>, now: UnixNanos) -> Result<Granted, Refused> {
    let (claims, known) = open::<Claims>(Purpose::Override, text, holders)?;
    let action = Action::parse(&claims.act).map_err(|what| Refused::Act { what })?;
    if action.role() != known.role {
        return Err(Refused::Role { role: known.role });
    }
    if claims.jti.len() != 32 || !claims.jti.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err(Refused::Claims { what: "jti: expected 32 hexadecimal digits".into() });
    }
    in_time(&claims, now)?;
    match run {
        Some(run) if claims.run == run => {}
        // A word that reaches every run is for making them stricter: what leads back to trading is for one.
        _ if claims.run == ANY && action.role() == Role::Operator => {}
        _ => return Err(Refused::OtherRun { meant: claims.run, is: run.unwrap_or("not known").to_owned() }),
    }
    Ok(Granted { claims, known, action })
}

/// The claim `run` of a token that is for whichever run it is sent to.
pub const ANY: &str = "any";

fn in_time(claims: &Claims, now: UnixNanos) -> Result<(), Refused> {
    let now = now.0 / 1_000_000_000;
    let Claims { iat, nbf, exp, .. } = *claims;
    if iat > nbf || nbf >= exp {
        return Err(Refused::Claims { what: format!("iat {iat}, nbf {nbf}, exp {exp}: expected them in this order") });
    }
    if exp - iat > LIFE_MAX_S {
        return Err(Refused::TooLong { seconds: exp - iat });
    }
    if now >= exp {
        return Err(Refused::Expired { seconds: now - exp });
    }
    if nbf > now + SKEW_S {
        return Err(Refused::NotYet { seconds: nbf - now });
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use domain::Holder;

    pub(crate) const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
    pub(crate) const RUN: &str = "0123456789abcdef0123456789abcdef";

    pub(crate) fn signer(secret: u8) -> Signer {
        Signer::from_secret([secret; 32])
    }

    pub(crate) fn holders() -> Holders {
        let line = |name: &str, role, secret| {
            KeyHolder { holder: Holder::new(name).unwrap(), role, key: signer(secret).public() }.to_string()
        };
        Holders::parse(&[line("anna", Role::Operator, 1), line("anna", Role::Rearm, 2), line("ben", Role::Rearm, 3)])
            .unwrap()
    }

    pub(crate) fn claims(act: &str, number: u64) -> Claims {
        let now = NOW.0 / 1_000_000_000;
        let role = if act.starts_with("rearm") { "rearm" } else { "operator" };
        Claims {
            sub: "anna".into(),
            role: role.into(),
            iat: now,
            nbf: now,
            exp: now + 300,
            jti: format!("{number:032x}"),
            run: RUN.into(),
            act: act.into(),
        }
    }

    pub(crate) fn signed(claims: &Claims) -> String {
        let secret = match (claims.sub.as_str(), claims.role.as_str()) {
            ("ben", _) => 3,
            (_, "rearm") => 2,
            _ => 1,
        };
        seal(Purpose::Override, claims, &signer(secret)).unwrap()
    }

    fn look(text: &str) -> Result<Granted, Refused> {
        verify(text, &holders(), Some(RUN), NOW)
    }

    #[test]
    fn what_a_holder_signed_is_granted() {
        for act in
            ["halt", "flatten", "reduce", "pause keep-entries", "tighten positions_max=3", "rearm", "rearm strategy 2"]
        {
            let granted = look(&signed(&claims(act, 1))).unwrap();
            assert_eq!((granted.action.to_string().as_str(), granted.known.holder.name()), (act, "anna"));
        }
        let any = Claims { run: ANY.into(), ..claims("halt", 1) };
        assert!(look(&signed(&any)).is_ok());
        assert!(verify(&signed(&any), &holders(), None, NOW).is_ok(), "also where the run's name is not known");
    }

    /// A token with another header, signed rightly.
    fn with_header(header: &str) -> String {
        compact(header, &serde_json::to_string(&claims("halt", 1)).unwrap(), &signer(1))
    }

    #[test]
    fn there_is_one_header() {
        assert!(look(&with_header(Purpose::Override.header())).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"none","typ":"bot4-override+jwt"}"#,
            r#"{"alg":"HS256","typ":"bot4-override+jwt"}"#,
            r#"{"typ":"bot4-override+jwt","alg":"EdDSA"}"#,
            r#"{"alg":"EdDSA","typ":"bot4-override+jwt","jwk":{}}"#,
            r#"{"alg":"EdDSA","typ":"JWT"}"#,
            r#"{"alg":"EdDSA","typ":"bot4-limits+jwt"}"#,
            "",
        ] {
            assert_eq!(look(&with_header(header)), Err(Refused::Header), "{header}");
        }
    }

    #[test]
    fn every_changed_character_is_found() {
        let text = signed(&claims("reduce", 1));
        let whole: Vec<char> = text.chars().collect();
        for at in 0..whole.len() {
            for other in ['A', '.', '-', '='] {
                if whole[at] != other {
                    let mut changed = whole.clone();
                    changed[at] = other;
                    assert!(look(&changed.iter().collect::<String>()).is_err(), "character {at}");
                }
            }
            assert!(look(&whole[..at].iter().collect::<String>()).is_err(), "cut at {at}");
        }
        assert!(look(&format!("{text}.")).is_err() && look(&format!("{text} ")).is_err());
    }

    #[test]
    fn who_is_not_known_or_signs_in_anothers_name_or_role_is_refused() {
        let carl = Claims { sub: "carl".into(), ..claims("halt", 1) };
        assert_eq!(look(&signed(&carl)), Err(Refused::UnknownHolder));
        let forged = seal(Purpose::Override, &claims("halt", 1), &signer(9)).unwrap();
        assert_eq!(look(&forged), Err(Refused::Signature));
        let in_annas_name = seal(Purpose::Override, &claims("rearm", 1), &signer(3)).unwrap();
        assert_eq!(look(&in_annas_name), Err(Refused::Signature));
        // The role is the key's, not what is written.
        let operator = seal(Purpose::Override, &claims("rearm", 1), &signer(1)).unwrap();
        assert_eq!(look(&operator), Err(Refused::Role { role: Role::Operator }));
        let said = Claims { role: "operator".into(), ..claims("rearm", 1) };
        assert_eq!(
            look(&seal(Purpose::Override, &said, &signer(1)).unwrap()),
            Err(Refused::Role { role: Role::Operator })
        );
        let ben = Claims { sub: "ben".into(), role: "rearm".into(), ..claims("halt", 1) };
        assert_eq!(look(&signed(&ben)), Err(Refused::Role { role: Role::Rearm }));
        assert_eq!(
            verify(&signed(&claims("halt", 1)), &Holders::default(), Some(RUN), NOW),
            Err(Refused::UnknownHolder)
        );
    }

    #[test]
    fn a_token_has_its_time() {
        let now = NOW.0 / 1_000_000_000;
        let at = |iat, nbf, exp| look(&signed(&Claims { iat, nbf, exp, ..claims("halt", 1) })).map(drop);
        assert_eq!(at(now - 900, now - 900, now), Err(Refused::Expired { seconds: 0 }));
        assert_eq!(at(now - 900, now - 900, now - 30), Err(Refused::Expired { seconds: 30 }));
        assert_eq!(at(now - 899, now - 899, now + 1), Ok(()));
        assert_eq!(at(now, now, now + 901), Err(Refused::TooLong { seconds: 901 }));
        assert_eq!(at(now, now, u64::MAX), Err(Refused::TooLong { seconds: u64::MAX - now }));
        // The holder's clock may be a little ahead.
        assert_eq!(at(now + SKEW_S, now + SKEW_S, now + 300), Ok(()));
        assert_eq!(at(now + 6, now + 6, now + 300), Err(Refused::NotYet { seconds: 6 }));
        assert!(matches!(at(now + 1, now, now + 300), Err(Refused::Claims { .. })));
        assert!(matches!(at(now, now, now), Err(Refused::Claims { .. })));
        assert!(matches!(at(0, 0, 0), Err(Refused::Claims { .. })));
    }

    #[test]
    fn a_token_is_for_the_run_that_it_names() {
        let other = Claims { run: "f".repeat(32), ..claims("halt", 1) };
        assert!(matches!(look(&signed(&other)), Err(Refused::OtherRun { .. })));
        assert!(matches!(verify(&signed(&claims("halt", 1)), &holders(), None, NOW), Err(Refused::OtherRun { .. })));
        let any = Claims { run: ANY.into(), ..claims("rearm", 1) };
        assert!(matches!(look(&signed(&any)), Err(Refused::OtherRun { .. })), "a re-arm is for one run");
    }

    #[test]
    fn claims_are_complete_and_nothing_else() {
        let whole = serde_json::to_value(claims("halt", 1)).unwrap();
        let with = |value: &serde_json::Value| look(&seal(Purpose::Override, value, &signer(1)).unwrap());
        assert!(with(&whole).is_ok());
        for name in ["sub", "role", "iat", "nbf", "exp", "jti", "run", "act"] {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name).unwrap();
            assert!(matches!(with(&less), Err(Refused::Claims { .. })), "{name}");
        }
        let mut more = whole.clone();
        more["order"] = "buy".into();
        assert!(matches!(with(&more), Err(Refused::Claims { .. })));
        for (name, value) in [("exp", "\"soon\""), ("exp", "-1"), ("exp", "1e30"), ("iat", "1.5"), ("jti", "\"1\"")] {
            let mut other = whole.clone();
            other[name] = serde_json::from_str(value).unwrap();
            assert!(matches!(with(&other), Err(Refused::Claims { .. })), "{name} {value}");
        }
        // The same name twice is no claim at all.
        let text = serde_json::to_string(&claims("halt", 1)).unwrap().replace("{", "{\"sub\":\"ben\",");
        let twice = compact(Purpose::Override.header(), &text, &signer(1));
        assert!(matches!(look(&twice), Err(Refused::Claims { .. })));
        for act in ["buy BTCUSDT", "resume", "tighten leverage_max=5", ""] {
            assert!(matches!(look(&signed(&claims(act, 1))), Err(Refused::Act { .. })), "{act}");
        }
    }

    #[test]
    fn garbage_is_refused_without_harm() {
        for text in ["", ".", "..", "...", "a.b.c", "\0", "{}", &"A".repeat(BYTES_MAX), &"a.".repeat(900)] {
            assert!(look(text).is_err(), "{text:?}");
        }
        assert_eq!(look(&"A".repeat(BYTES_MAX + 1)), Err(Refused::TooLarge));
        // Deeply nested JSON, with the right header.
        let nested = base64::encode("[".repeat(1_000).as_bytes());
        let text = format!("{}.{nested}.{}", base64::encode(Purpose::Override.header().as_bytes()), "A".repeat(86));
        assert!(matches!(look(&text), Err(Refused::Claims { .. })));
    }
}
