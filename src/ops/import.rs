//! Imports people, messages and notifications of another system from a file, in the order of their times.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::auth::claims;
use crate::auth::tokens::Tokens;
use crate::config::{Config, count};
use crate::error::{Error, Result};
use crate::model::ids::{UserId, UserKey};
use crate::model::import::Line;
use crate::model::time::Time;
use crate::model::users::{NewUser, Role};
use crate::rule;
use crate::service::identity::erased_macs;
use crate::store::files;
use crate::store::import::{Import, Outcome};
use crate::store::open;

/// The longest line, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// How many bad lines are named; the others are counted.
const MAX_NAMED_LINES: usize = 100;

/// What an import is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Write nothing, and say what would be written.
    pub dry_run: bool,
    /// Leave out the lines that cannot be taken, and import the others.
    pub skip_bad: bool,
}

/// The result of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub users: ImportCounts,
    pub messages: ImportCounts,
    pub notifications: ImportCounts,
    /// The first lines that cannot be taken, by their numbers from 1, and why.
    pub bad: Vec<(u64, String)>,
    pub bad_count: u64,
    pub written: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ImportCounts {
    pub added: u64,
    /// It was there already.
    pub known: u64,
}

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Open(#[from] files::OpenError),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Store(#[from] Error),
}

/// A message or notification of the file: when it was sent, and where it stands.
struct Place {
    at: Time,
    line: u64,
    offset: u64,
    length: usize,
}

/// Imports a file into the database, which no server may have open. Where a line cannot be taken nothing is written, unless that is
/// wished. `progress` is told how many bytes of how many are done.
///
/// # Errors
/// [`Failure`]; then nothing is written.
pub fn run(
    config: &Config,
    file: &Path,
    wishes: Wishes,
    now: Time,
    progress: &mut dyn FnMut(u64, u64),
) -> std::result::Result<Report, Failure> {
    let file = File::open(file)?;
    let path = &config.database.path;
    let _lock = match wishes.dry_run && !path.exists() {
        true => None,
        false => Some(open::lock(path)?),
    };
    let mut connection = match wishes.dry_run {
        true => open::rehearse(path)?,
        false => open::prepare(&config.database)?,
    };
    let import = Import::begin(&mut connection)?;
    let tokens = match import.has_erased()? {
        true => Some(Tokens::open(&config.auth, path).map_err(Error::Internal)?),
        false => None,
    };
    let mut run = Run {
        file,
        tokens,
        config,
        now,
        roles: claims::role_names(&config.auth),
        report: Report::default(),
        import,
        people: HashMap::new(),
    };
    let total = run.file.metadata()?.len() * 2;
    let mut places = run.read(&mut |done| progress(done, total))?;
    places.sort_by_key(|place| (place.at, place.line));
    let mut done = total / 2;
    for place in places {
        run.add(&place)?;
        done += place.length as u64;
        progress(done, total);
    }
    progress(total, total);
    let Run {
        import, mut report, ..
    } = run;
    if !wishes.dry_run && (report.bad_count == 0 || wishes.skip_bad) {
        let detail = format!(
            "{} users, {} messages, {} notifications",
            report.users.added, report.messages.added, report.notifications.added
        );
        import.commit(&detail, now)?;
        report.written = true;
    }
    Ok(report)
}

struct Run<'c> {
    file: File,
    /// Recognises people whose data was erased, if there are any.
    tokens: Option<Tokens>,
    config: &'c Config,
    now: Time,
    roles: BTreeMap<String, Role>,
    report: Report,
    import: Import<'c>,
    people: HashMap<String, UserKey>,
}

impl Run<'_> {
    /// Reads the file once: adds its people, and returns where the rest stands.
    fn read(&mut self, progress: &mut dyn FnMut(u64)) -> std::result::Result<Vec<Place>, Failure> {
        self.people = self.import.people()?;
        let mut reader = BufReader::new(self.file.try_clone()?);
        let (mut places, mut offset, mut text) = (Vec::new(), 0, Vec::new());
        for line in 1.. {
            text.clear();
            let length = (&mut reader)
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut text)?;
            if length == 0 {
                break;
            }
            if length as u64 == MAX_LINE_BYTES && text.last() != Some(&b'\n') {
                let skipped = reader.skip_until(b'\n')?;
                self.bad(line, "is longer than a mebibyte");
                offset += (length + skipped) as u64;
                continue;
            }
            match self.look(&text) {
                Ok(Some(at)) => places.push(Place {
                    at,
                    line,
                    offset,
                    length,
                }),
                Ok(None) => {}
                Err(error) => self.refused(line, error)?,
            }
            offset += length as u64;
            progress(offset);
        }
        Ok(places)
    }

    /// Adds the person of a line; of anything else, returns when it was.
    fn look(&mut self, text: &[u8]) -> Result<Option<Time>> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        match parse(text)? {
            Line::Message(line) => {
                let max = count(self.config.messages.max_length);
                Ok(Some(line.parse(max, self.now)?.created_at))
            }
            Line::Notification(line) => Ok(Some(line.parse(self.now)?.created_at)),
            Line::User(line) => {
                let new = line.parse(|name| self.roles.get(&name.to_lowercase()).copied())?;
                let created_at = match line.created_at {
                    Some(at) => at.past("createdAt", self.now)?,
                    None => self.now,
                };
                self.user(new, line.disabled, created_at)?;
                Ok(None)
            }
        }
    }

    fn user(&mut self, new: NewUser, disabled: bool, created_at: Time) -> Result<()> {
        let id = new.id.as_str();
        if self.people.contains_key(id) {
            self.report.users.known += 1;
            return Ok(());
        }
        if let Some(tokens) = &self.tokens
            && self.import.is_erased(&erased_macs(tokens, &new.id))?
        {
            return Err(bad_line("id is of a person whose data was erased here"));
        }
        let key = self.import.user(&new, disabled, created_at)?;
        self.people.insert(id.to_owned(), key);
        self.report.users.added += 1;
        Ok(())
    }

    /// Adds the message or notification at a place.
    fn add(&mut self, place: &Place) -> std::result::Result<(), Failure> {
        let mut text = vec![0; place.length];
        self.file.seek(SeekFrom::Start(place.offset))?;
        self.file.read_exact(&mut text)?;
        match self.insert(&text) {
            Ok(()) => Ok(()),
            Err(error) => self.refused(place.line, error),
        }
    }

    fn insert(&mut self, text: &[u8]) -> Result<()> {
        let (outcome, counts, newest) = match parse(text)? {
            Line::Message(line) => {
                let old = line.parse(count(self.config.messages.max_length), self.now)?;
                let sender = self.person("senderId", &old.sender)?;
                let receiver = self.person("receiverId", &old.receiver)?;
                let outcome = self.import.message(&old, sender, receiver)?;
                (
                    outcome,
                    &mut self.report.messages,
                    "message that this conversation",
                )
            }
            Line::Notification(line) => {
                let old = line.parse(self.now)?;
                let user = self.person("userId", &old.user)?;
                let outcome = self.import.notification(&old, user)?;
                (
                    outcome,
                    &mut self.report.notifications,
                    "notification that this person",
                )
            }
            Line::User(_) => return Ok(()),
        };
        match outcome {
            Outcome::Added => counts.added += 1,
            Outcome::Known => counts.known += 1,
            Outcome::TooOld => {
                return Err(Error::invalid("createdAt", rule::before_the_newest(newest)));
            }
        }
        Ok(())
    }

    fn person(&self, field: &str, id: &UserId) -> Result<UserKey> {
        let found = self.people.get(id.as_str()).copied();
        found.ok_or_else(|| Error::invalid(field, rule::unknown_person(id.as_str())))
    }

    /// Notes a line that cannot be taken.
    ///
    /// # Errors
    /// An error that is not the line's.
    fn refused(&mut self, line: u64, error: Error) -> std::result::Result<(), Failure> {
        match error {
            Error::Malformed(why) => {
                self.bad(line, &why);
                Ok(())
            }
            Error::Invalid(_) | Error::Conflict(_) => {
                self.bad(line, &error.public_message());
                Ok(())
            }
            other => Err(other.into()),
        }
    }

    fn bad(&mut self, line: u64, why: &str) {
        self.report.bad_count += 1;
        if self.report.bad.len() < MAX_NAMED_LINES {
            self.report.bad.push((line, why.to_owned()));
        }
    }
}

/// # Errors
/// [`bad_line`], which names the field.
fn parse(text: &[u8]) -> Result<Line> {
    serde_json::from_slice(text).map_err(|error| {
        let said = error.to_string();
        // The line is the file's, not that of its own text.
        let why = said.split(" at line ").next().unwrap_or(&said);
        if !error.is_data() {
            return bad_line(&format!("is no JSON: {why}"));
        }
        match Line::field_at_fault(text) {
            Some(field) if !why.contains(&format!("`{field}`")) => {
                bad_line(&format!("{field}: {why}"))
            }
            _ => bad_line(why),
        }
    })
}

fn bad_line(why: &str) -> Error {
    Error::Malformed(why.into())
}
