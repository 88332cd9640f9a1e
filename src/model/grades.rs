//! The years of a school.

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::rule;

/// A pupil's grade, by its code in OneRoster (1.2, section 6.2.2 of its information model, after the CEDS): `PK`, `KG`, `01` … `13`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, example = "05")]
pub struct Grade(
    // The place in `CODES`.
    u8,
);

const CODES: [&str; 15] = [
    "PK", "KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13",
];

impl Grade {
    /// Every grade, the youngest first.
    pub fn all() -> impl Iterator<Item = Grade> {
        (0..CODES.len() as u8).map(Grade)
    }

    /// Reads a code in any case; numbers also without the zero.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_uppercase();
        let found = CODES.iter().position(|code| {
            *code == text || code.strip_prefix('0').is_some_and(|short| short == text)
        })?;
        Some(Grade(found as u8))
    }

    /// # Errors
    /// [`Error::Invalid`] on `field`.
    pub fn parse_field(field: &str, text: &str) -> Result<Option<Self>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let grade = Grade::parse(text);
        grade
            .map(Some)
            .ok_or_else(|| Error::invalid(field, rule::not_a_grade()))
    }

    pub fn as_str(self) -> &'static str {
        CODES.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl Serialize for Grade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them_and_stand_in_order() {
        let grade = |text| Grade::parse(text).unwrap();
        assert_eq!(grade("5").as_str(), "05");
        assert_eq!(grade(" kg ").as_str(), "KG");
        assert!(grade("PK") < grade("KG") && grade("KG") < grade("1") && grade("09") < grade("10"));
        for text in ["0", "00", "14", "-1", "Year 5", "5a", ""] {
            assert_eq!(Grade::parse(text), None, "{text}");
        }
    }
}
