//! Paging: by position in an index, so that rows added meanwhile neither repeat nor hide one. Existing front ends number their
//! pages: they may, within the newest rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ids::Seq;
use crate::error::{Error, Result};
use crate::rule;

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
    Directory = 8,
    Found = 9,
    Reports = 10,
    Reviews = 11,
    Reviewed = 12,
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
            return Err(Error::invalid(field, rule::not_a_cursor()));
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
fn fitting<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> usize {
    let mut sum = 0;
    let fits = items.iter().take_while(|item| {
        sum += bytes(item);
        sum <= PAGE_BYTES
    });
    fits.count().max(1)
}

/// Numbered pages, and offsets, reach this far: the database walks over all that is before them.
const WINDOW_ROWS: usize = 1_000;

/// What of a list a query asks for, as it stands there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'q> {
    pub limit: Option<u32>,
    pub before: Option<&'q str>,
    /// From 1.
    pub page: Option<u32>,
    pub offset: Option<u32>,
}

/// A part of a list: so many rows, after a cursor's or after so many of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    limit: usize,
    pub before: Option<Seq>,
    skip: Option<usize>,
}

impl Range {
    /// # Errors
    /// [`Error::Invalid`] for a limit or a page of 0, a cursor that `list` did not give out, and for more than one of `before`,
    /// `page` and `offset`.
    pub fn parse(asked: Asked, default: usize, max: usize, list: List) -> Result<Self> {
        let limit = Limit::parse(asked.limit, default, max)?.get();
        let only_one = |field| Error::invalid(field, rule::contradicts("before or page"));
        let skip = match (asked.page, asked.offset) {
            (None, None) => None,
            (Some(0), _) => return Err(Error::invalid("page", rule::too_small(1))),
            (Some(page), None) => Some((page as usize - 1).saturating_mul(limit)),
            (None, Some(offset)) => Some(offset as usize),
            (Some(_), Some(_)) => return Err(only_one("offset")),
        };
        if skip.is_some() && asked.before.is_some() {
            return Err(Error::invalid(
                "before",
                rule::contradicts("page or offset"),
            ));
        }
        let left = WINDOW_ROWS.saturating_sub(skip.unwrap_or(0));
        Ok(Range {
            limit: if skip.is_some() {
                limit.min(left)
            } else {
                limit
            },
            before: Cursor::before(asked.before, list)?,
            skip,
        })
    }

    /// The most items of the page.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// As [`Range::limit`], of long items fewer: not of a numbered page, or the next one would leave out the rest.
    pub fn limit_of<T>(&self, items: &[T], bytes: impl Fn(&T) -> usize) -> usize {
        match self.skip {
            Some(_) => self.limit,
            None => self.limit.min(fitting(items, bytes)),
        }
    }

    /// How many rows to ask the database for: one more than the page has, so as to know whether there is more. Past the window
    /// there is none.
    pub fn rows(&self) -> i64 {
        let ends = self
            .skip
            .is_some_and(|skip| skip + self.limit >= WINDOW_ROWS);
        self.limit as i64 + i64::from(!ends)
    }

    /// How many rows to leave out before these.
    pub fn skip(&self) -> i64 {
        self.skip.map_or(0, |skip| skip.min(WINDOW_ROWS) as i64)
    }
}

/// How many items a list returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// More than `max` is `max`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for 0.
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
            Some(0) => Err(Error::invalid(field, rule::too_small(1))),
            Some(n) => Ok(Limit(n.min(max))),
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
