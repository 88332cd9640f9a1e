//! Paging: by position in an index, never by offset, so that rows added meanwhile neither repeat nor hide one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ids::Seq;
use crate::error::{Error, Result};

/// Which list a cursor belongs to: one list's cursor is refused by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    Conversations = 1,
    Messages = 2,
    Notifications = 3,
    People = 4,
    Audit = 5,
    Announcements = 6,
    Recipients = 7,
}

/// A position in a list. Opaque to clients; the checksum turns a made-up one into an error instead of a wrong page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub Seq);

impl Cursor {
    pub fn encode(self, list: List) -> String {
        let mut bytes = [0u8; 12];
        bytes[0] = list as u8;
        bytes[1..9].copy_from_slice(&self.0.to_be_bytes());
        let check = Self::check(&bytes[..9]);
        bytes[9..].copy_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`Error::Invalid`] that names `field` when the text is not a cursor of `list`.
    pub fn decode(field: &str, text: &str, list: List) -> Result<Self> {
        let decoded = (text.len() == 16)
            .then(|| URL_SAFE_NO_PAD.decode(text).ok())
            .flatten()
            .and_then(|bytes| <[u8; 12]>::try_from(bytes).ok())
            .filter(|bytes| bytes[0] == list as u8 && bytes[9..] == Self::check(&bytes[..9]));
        let Some(bytes) = decoded else {
            return Err(Error::invalid(
                field,
                "is not a cursor that this list gave out",
            ));
        };
        let mut seq = [0u8; 8];
        seq.copy_from_slice(&bytes[1..9]);
        Ok(Cursor(Seq::from_be_bytes(seq)))
    }

    /// The place after which a list goes on: `paging.before` of the page before, where there was one.
    ///
    /// # Errors
    /// As [`Cursor::decode`], on `before`.
    pub fn before(text: Option<&str>, list: List) -> Result<Option<Seq>> {
        let cursor = text.map(|text| Cursor::decode("before", text, list));
        Ok(cursor.transpose()?.map(|cursor| cursor.0))
    }

    fn check(bytes: &[u8]) -> [u8; 3] {
        let digest = Sha256::digest(bytes);
        [digest[0], digest[1], digest[2]]
    }
}

/// One page of a list, and where it goes on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub paging: Paging,
}

/// Stands beside a list's `data`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paging {
    /// Whether there is more in the direction that was read.
    pub has_more: bool,
    /// The cursor for older items; null where there are none.
    pub before: Option<String>,
    /// The cursor for newer items, where the list can be read in that direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl<T> Page<T> {
    /// The only page of a list that is not walked, from a query for `limit + 1` items.
    pub fn only(mut items: Vec<T>, limit: usize) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        Page {
            items,
            paging: Paging {
                has_more,
                ..Paging::default()
            },
        }
    }

    /// A page from a query for `limit + 1` items, in the list's own order, newest first for instance. `seq` names an item's
    /// place.
    pub fn newest_first(
        mut items: Vec<T>,
        limit: usize,
        list: List,
        seq: impl Fn(&T) -> Seq,
    ) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let before = items
            .last()
            .filter(|_| has_more)
            .map(|last| Cursor(seq(last)).encode(list));
        Page {
            items,
            paging: Paging {
                has_more,
                before,
                after: None,
            },
        }
    }
}

/// Of long items a page has fewer, so that an answer stays below so many bytes, about.
const PAGE_BYTES: usize = 256 << 10;

/// How many of the items are enough for one page: at least one, if there is any.
pub fn fitting<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> usize {
    let mut sum = 0;
    let fits = items.iter().take_while(|item| {
        sum += bytes(item);
        sum <= PAGE_BYTES
    });
    fits.count().max(1)
}

/// How many items a list returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// # Errors
    /// [`Error::Invalid`] for anything but 1 to `max`.
    pub fn parse(given: Option<u32>, default: usize, max: usize) -> Result<Self> {
        Self::parse_as("limit", given, default, max)
    }

    /// As [`Limit::parse`], of a field with another name.
    ///
    /// # Errors
    /// As [`Limit::parse`], on `field`.
    pub fn parse_as(field: &str, given: Option<u32>, default: usize, max: usize) -> Result<Self> {
        match given.map(|n| n as usize) {
            None => Ok(Limit(default)),
            Some(n) if (1..=max).contains(&n) => Ok(Limit(n)),
            Some(_) => Err(Error::invalid(field, format!("must be 1 to {max}"))),
        }
    }

    pub fn get(self) -> usize {
        self.0
    }

    /// What to ask the database for, so as to know whether there is more.
    pub fn plus_one(self) -> i64 {
        self.0 as i64 + 1
    }
}
