//! The files of an import: one CSV file, several in a zip, or several parts of a form.

use std::io::{Cursor, Read as _};

use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::http::call::Call;
use super::http::input::{Input, InputSpec, MAX_FILE_BYTES, essence, parse_query, query_spec};
use crate::error::{Error, Result};
use crate::model::roster::Files;
use crate::rule::{self, Rule};

const TYPES: [&str; 3] = ["text/csv", "application/zip", "multipart/form-data"];

/// Files as the body, and a query.
pub struct RosterFiles<T> {
    pub query: T,
    pub files: Files,
}

impl<T: DeserializeOwned + IntoParams + Send> Input for RosterFiles<T> {
    fn spec() -> InputSpec {
        InputSpec::File {
            media_types: &TYPES,
            query: query_spec::<T>,
        }
    }

    async fn read(call: &mut Call) -> Result<Self> {
        let query = parse_query(call)?;
        let given = essence(call).map(str::to_ascii_lowercase);
        let given = given.filter(|given| TYPES.contains(&&**given));
        let media_type = given.ok_or(Error::NotCsv)?;
        let bytes = call.read_body(MAX_FILE_BYTES).await?;
        let files = match &*media_type {
            "application/zip" => unzip(&bytes)?,
            "multipart/form-data" => {
                let whole = call
                    .headers
                    .get("content-type")
                    .and_then(|v| v.to_str().ok());
                parts(whole.unwrap_or_default(), bytes).await?
            }
            _ => Files::of_people(bytes.to_vec()),
        };
        Ok(RosterFiles { query, files })
    }
}

fn file(rule: Rule) -> Error {
    Error::invalid("file", rule)
}

/// OneRoster's files are known by their names, in any case; a single one is the people, whatever it is called.
fn by_name(named: Vec<(String, Vec<u8>)>) -> Result<Files> {
    let mut files = Files::default();
    let mut others = Vec::new();
    for (name, bytes) in named {
        let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
        match base.to_ascii_lowercase().as_str() {
            "users.csv" | "people.csv" => files.users = bytes,
            "roles.csv" => files.roles = Some(bytes),
            "groups.csv" => files.groups = Some(bytes),
            "members.csv" => files.members = Some(bytes),
            "guardians.csv" => files.guardians = Some(bytes),
            "classes.csv" => files.classes = Some(bytes),
            "enrollments.csv" => files.enrollments = Some(bytes),
            _ => others.push(bytes),
        }
    }
    if files.users.is_empty() {
        match (others.pop(), others.is_empty()) {
            (Some(only), true) => files.users = only,
            _ => return Err(file(rule::no_users_file())),
        }
    }
    Ok(files)
}

fn unzip(bytes: &[u8]) -> Result<Files> {
    let bad = |e: zip::result::ZipError| file(rule::not_a_zip(&e.to_string()));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    let mut named = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        if !entry.is_file() || !name.to_ascii_lowercase().ends_with(".csv") {
            continue;
        }
        // The size that the archive states may be wrong.
        let mut content = Vec::new();
        let read = entry
            .take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut content);
        read.map_err(|e| file(rule::not_unpacked(&e.to_string())))?;
        let sum: usize = named
            .iter()
            .map(|(_, bytes): &(_, Vec<u8>)| bytes.len())
            .sum();
        if sum + content.len() > MAX_FILE_BYTES {
            return Err(Error::TooLarge(MAX_FILE_BYTES));
        }
        named.push((name, content));
    }
    by_name(named)
}

async fn parts(content_type: &str, bytes: bytes::Bytes) -> Result<Files> {
    let bad = |e: multer::Error| file(rule::not_a_form(&e.to_string()));
    let boundary = multer::parse_boundary(content_type).map_err(bad)?;
    let body = futures_util::stream::once(async { Ok::<_, std::io::Error>(bytes) });
    let mut form = multer::Multipart::new(body, boundary);
    let mut named = Vec::new();
    while let Some(part) = form.next_field().await.map_err(bad)? {
        let name = part
            .file_name()
            .or(part.name())
            .unwrap_or_default()
            .to_owned();
        named.push((name, part.bytes().await.map_err(bad)?.to_vec()));
    }
    by_name(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        let named = |names: &[&str]| {
            let files = names
                .iter()
                .map(|name| (name.to_string(), name.as_bytes().to_vec()));
            by_name(files.collect())
        };
        let both = named(&["export/Roles.csv", "export/USERS.CSV", "export/orgs.csv"]).unwrap();
        assert_eq!(both.users, b"export/USERS.CSV");
        assert_eq!(both.roles.unwrap(), b"export/Roles.csv");
        assert_eq!(named(&["school.csv"]).unwrap().users, b"school.csv");
        assert!(named(&["a.csv", "b.csv"]).is_err());
        assert!(named(&["roles.csv"]).is_err());
        assert!(unzip(b"no zip").is_err());
    }
}
