//! What safeguarding leads do: `/api/safeguarding/…`.

pub mod audit;
pub mod holds;
pub mod leads;
pub mod no_contact;
pub mod reports;
pub mod reviews;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::Result;
use crate::model::page::{Asked, List, Range};

#[derive(Deserialize, IntoParams)]
pub struct Paged {
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
}

impl Paged {
    fn range(&self, list: List) -> Result<Range> {
        let asked = Asked {
            limit: self.limit,
            before: self.before.as_deref(),
            page: None,
            offset: None,
        };
        Range::parse(asked, 50, 100, list)
    }
}
