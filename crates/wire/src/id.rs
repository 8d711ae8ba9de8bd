//! Names: of nodes, keys, sites, trees and jobs. Each is a type of its own, checked where it is made.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::UnixMillis;
use crate::limits::{MAX_DEPTH, MAX_ID};

/// The checked label of a minion or a hub, unique among the nodes of its role in one tree.
///
/// `[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?` without `..`: one spelling for each name, and never a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize)]
#[serde(transparent)]
pub struct NodeId(Box<str>);

/// Why a text is no [`NodeId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeIdError {
    /// Nothing was given.
    #[error("an id may not be empty")]
    Empty,
    /// Longer than [`MAX_ID`] characters.
    #[error("an id may have at most {MAX_ID} characters, this one has {0}")]
    Long(usize),
    /// A character outside of the alphabet.
    #[error("{0:?} is not allowed in an id: use a-z, 0-9, and . _ - between them")]
    Character(char),
    /// A dot, hyphen or underscore at an end, or two dots in a row.
    #[error("an id begins and ends with a letter or a digit and has no two dots in a row")]
    Shape,
}

impl NodeId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_label(text: &str) -> Result<(), NodeIdError> {
    if text.is_empty() {
        return Err(NodeIdError::Empty);
    }
    if text.len() > MAX_ID {
        return Err(NodeIdError::Long(text.chars().count()));
    }
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(c) = text
        .chars()
        .find(|&c| !edge(c) && !matches!(c, '.' | '_' | '-'))
    {
        return Err(NodeIdError::Character(c));
    }
    if !text.starts_with(edge) || !text.ends_with(edge) || text.contains("..") {
        return Err(NodeIdError::Shape);
    }
    Ok(())
}

impl FromStr for NodeId {
    type Err = NodeIdError;
    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        check_label(text).map(|()| NodeId(text.into()))
    }
}

impl<C> Decode<C> for NodeId {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        d: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let text = String::decode(d)?;
        text.parse()
            .map_err(|e: NodeIdError| bincode::error::DecodeError::OtherString(e.to_string()))
    }
}
bincode::impl_borrow_decode!(NodeId);

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// What a node is in the tree.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A leaf: runs functions on its host.
    Minion,
    /// A hub with parents.
    Syndic,
    /// A hub without parents.
    TopMaster,
}

impl Role {
    /// Whether nodes of this role have children.
    pub fn is_hub(self) -> bool {
        self != Role::Minion
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Minion => "minion",
            Role::Syndic => "syndic",
            Role::TopMaster => "top-master",
        })
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "minion" => Ok(Role::Minion),
            "syndic" => Ok(Role::Syndic),
            "top-master" => Ok(Role::TopMaster),
            _ => Err(()),
        }
    }
}

/// The identity of a key pair, and so of a node: the first 128 bits of the SHA-256 of its public key.
///
/// A new key is a new identity, so a re-enrolled host never inherits what was known of an older one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Uid(pub [u8; 16]);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uid {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| ())?;
        Ok(Uid(bytes.try_into().map_err(|_| ())?))
    }
}

/// Which tree: the SHA-256 of the public key of its root. Two trees never talk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TreeId(pub [u8; 32]);

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TreeId {
    type Err = ();
    /// Reads 64 hexadecimal digits; colons between them are allowed, as fingerprints are often printed so.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits: String = text
            .trim()
            .chars()
            .filter(|c| *c != ':')
            .collect::<String>()
            .to_ascii_lowercase();
        let bytes = data_encoding::HEXLOWER
            .decode(digits.as_bytes())
            .map_err(|_| ())?;
        Ok(TreeId(bytes.try_into().map_err(|_| ())?))
    }
}

/// Where a hub sits: labels from the top, `eu/ams`; empty at the top. Several hubs may serve one site.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Serialize)]
#[serde(transparent)]
pub struct SitePath(Box<str>);

/// Why a text is no [`SitePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SitePathError {
    /// One component is no label.
    #[error("site path component {component:?}: {source}")]
    Component {
        /// The component as given.
        component: String,
        /// What is wrong with it.
        source: NodeIdError,
    },
    /// More than [`MAX_DEPTH`] components.
    #[error("a site path may have at most {MAX_DEPTH} components")]
    Deep,
}

impl SitePath {
    /// The path of a top-master.
    pub fn top() -> Self {
        Self::default()
    }

    /// The path as text: labels joined by `/`, empty at the top.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the top.
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` is this site or lies below it.
    pub fn contains(&self, other: &SitePath) -> bool {
        self.is_top()
            || *self == *other
            || other
                .0
                .strip_prefix(&*self.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The path of a site named `label` right below this one.
    pub fn child(&self, label: &str) -> Result<SitePath, SitePathError> {
        if self.is_top() {
            label.parse()
        } else {
            format!("{}/{label}", self.0).parse()
        }
    }

    /// Number of labels.
    pub fn depth(&self) -> usize {
        if self.is_top() {
            0
        } else {
            self.0.split('/').count()
        }
    }
}

impl FromStr for SitePath {
    type Err = SitePathError;
    fn from_str(text: &str) -> Result<Self, SitePathError> {
        if text.is_empty() {
            return Ok(Self::top());
        }
        for (depth, component) in text.split('/').enumerate() {
            if depth >= MAX_DEPTH {
                return Err(SitePathError::Deep);
            }
            check_label(component).map_err(|source| SitePathError::Component {
                component: component.to_owned(),
                source,
            })?;
        }
        Ok(SitePath(text.into()))
    }
}

impl<C> Decode<C> for SitePath {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        d: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let text = String::decode(d)?;
        text.parse()
            .map_err(|e: SitePathError| bincode::error::DecodeError::OtherString(e.to_string()))
    }
}
bincode::impl_borrow_decode!(SitePath);

impl<'de> Deserialize<'de> for SitePath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A job's id in Salt's form: twenty digits, `YYYYMMDDhhmmssffffff` in UTC.
///
/// The last two digits are the number of the signer in the trust bundle, so that several top-masters never
/// give the same jid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jid(u128);

/// Number of decimal digits in a jid.
const JID_DIGITS: usize = 20;

impl Jid {
    /// The jid for an instant (milliseconds and extra microseconds since the epoch) and a signer's number.
    fn compose(micros: u64, signer: u8) -> Jid {
        let secs = micros / 1_000_000;
        let (year, month, day) = civil_from_days((secs / 86_400) as i64);
        let of_day = secs % 86_400;
        let date = u128::from(year) * 10_000 + u128::from(month) * 100 + u128::from(day);
        let time = u128::from(of_day / 3_600) * 10_000
            + u128::from(of_day / 60 % 60) * 100
            + u128::from(of_day % 60);
        let fraction = u128::from(micros % 1_000_000 / 100 * 100) + u128::from(signer % 100);
        Jid((date * 1_000_000 + time) * 1_000_000 + fraction)
    }
}

/// Year, month and day of a day count since 1970-01-01 in the proleptic Gregorian calendar.
///
/// The era method of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

impl Jid {
    /// The lowest jid of a moment: jobs from then on have it or a higher one.
    pub fn first_of(moment: UnixMillis) -> Jid {
        Jid::compose(moment.saturating_mul(1_000), 0)
    }

    /// The number of who gave it: its last two digits, those of the key that signed the job, or
    /// [`MINIONS_JID_NUMBER`](crate::limits::MINIONS_JID_NUMBER).
    pub fn number(self) -> u8 {
        (self.0 % 100) as u8
    }
}

impl FromStr for Jid {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != JID_DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        text.parse().map(Jid).map_err(|_| ())
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Jid {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Jid {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(|()| serde::de::Error::custom("not a jid"))
    }
}

impl Encode for Jid {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        e: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.0.encode(e)
    }
}

impl<C> Decode<C> for Jid {
    fn decode<D: bincode::de::Decoder<Context = C>>(
        d: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let number = u128::decode(d)?;
        if number < 10u128.pow(JID_DIGITS as u32) {
            Ok(Jid(number))
        } else {
            Err(bincode::error::DecodeError::Other(
                "a jid has twenty digits",
            ))
        }
    }
}
bincode::impl_borrow_decode!(Jid);

/// Gives jids that rise strictly, even when the clock stands still or steps back.
#[derive(Debug, Clone)]
pub struct JidClock {
    signer: u8,
    last_micros: u64,
}

/// Jids of one signer differ at least by this much, since the last two digits name the signer.
const JID_STEP_MICROS: u64 = 100;

impl JidClock {
    /// A clock for the signer with this number in the trust bundle; `after` is the last jid's time that was
    /// given before a restart, in milliseconds.
    pub fn new(signer: u8, after: UnixMillis) -> Self {
        JidClock {
            signer,
            last_micros: after.saturating_mul(1_000),
        }
    }

    /// The next jid at time `now`.
    pub fn next(&mut self, now: UnixMillis) -> Jid {
        let floor = self.last_micros / JID_STEP_MICROS * JID_STEP_MICROS + JID_STEP_MICROS;
        self.last_micros = floor.max(now.saturating_mul(1_000));
        Jid::compose(self.last_micros, self.signer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling_and_are_no_paths() {
        for good in ["a", "web1", "web-1.ams.example.org", "x_y", "0"] {
            assert!(good.parse::<NodeId>().is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_ID + 1);
        for bad in [
            "", ".", "..", "a..b", "-a", "a-", "A", "web 1", "a/b", "a\\b", "a\0b", "ä", "*",
            "a,b", "a%2f", "a.", &long,
        ] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_site_contains_itself_and_what_lies_below() {
        let path = |text: &str| text.parse::<SitePath>().unwrap();
        assert!(path("").contains(&path("eu/ams")));
        assert!(path("eu").contains(&path("eu/ams")));
        assert!(path("eu").contains(&path("eu")));
        assert!(!path("eu").contains(&path("eup")));
        assert!(!path("eu/ams").contains(&path("eu")));
        assert_eq!(path("eu").child("ams").unwrap(), path("eu/ams"));
        assert!("eu//ams".parse::<SitePath>().is_err());
        assert!("../x".parse::<SitePath>().is_err());
        assert!("a/b/c/d/e/f/g/h/i".parse::<SitePath>().is_err());
    }

    #[test]
    fn jids_are_salts_digits_of_utc() {
        // 2026-11-22 22:37:19.123400 UTC, by `date -u -d '2026-11-22 22:37:19' +%s`.
        let mut clock = JidClock::new(7, 0);
        assert_eq!(
            clock.next(1_795_387_039_123).to_string(),
            "20261122223719123007"
        );
        assert_eq!(
            JidClock::new(0, 0).next(951_782_400_000).to_string(),
            "20000229000000000000"
        );
    }

    #[test]
    fn jids_rise_when_the_clock_does_not() {
        let mut clock = JidClock::new(3, 0);
        let mut last = clock.next(1_000_000);
        for now in [1_000_000, 1_000_000, 999_000, 0, 1_000_001] {
            let next = clock.next(now);
            assert!(next > last, "{next} after {last}");
            assert_eq!(next.to_string().len(), JID_DIGITS);
            last = next;
        }
        let mut restarted = JidClock::new(3, 1_000_002);
        assert!(restarted.next(0) > last);
    }
}
