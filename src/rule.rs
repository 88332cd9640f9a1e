//! What can be wrong with a field. Each rule has an id, by which pages translate it, and a sentence that follows the field's name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

/// A rule that a field has broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Stable.
    pub id: &'static str,
    /// What the sentence names.
    pub params: BTreeMap<&'static str, Value>,
    pub sentence: Cow<'static, str>,
}

macro_rules! rules {
    ($($name:ident $(($($param:ident: $type:ty),+))? = $sentence:literal,)*) => {
        $(
            #[doc = concat!("`", $sentence, "`")]
            pub fn $name($($($param: $type),+)?) -> Rule {
                Rule {
                    id: stringify!($name),
                    params: BTreeMap::from([$($((stringify!($param), Value::from($param))),+)?]),
                    sentence: format!($sentence).into(),
                }
            }
        )*

        /// The id of every rule, with the names of its parameters.
        pub const RULES: &[(&str, &[&str])] = &[
            $((stringify!($name), &[$($(stringify!($param)),+)?]),)*
        ];
    };
}

rules! {
    required = "is required",
    wrong = "is wrong",
    not_empty = "must not be empty",
    too_long(max: usize) = "must not be longer than {max} characters",
    too_many_bytes(max: usize) = "must not be longer than {max} bytes",
    max_bytes(max: usize) = "must be at most {max} bytes long",
    longer_than(max: usize) = "is longer than {max} bytes",
    byte_range(min: usize, max: usize) = "must be {min} to {max} bytes long",
    too_short(min: usize) = "must be at least {min} characters long",
    too_easy_to_guess = "is too easy to guess: use a few unrelated words",
    no_spaces = "must not contain spaces",
    no_separators = "must not contain ; or |",
    single_line = "must be a single line",
    no_control_characters = "must not contain control characters other than newline and tab",
    no_invisible_characters = "must not contain invisible characters",
    no_overrides = "must not contain characters that turn the reading order around",
    no_spaces_or_quotes = "must not contain spaces, quotes, control characters or backslashes",
    no_spaces_or_backslashes = "must not contain spaces, backslashes or control characters",
    not_an_email = "is not an e-mail address",
    id_characters(min: usize, max: usize) = "must be {min} to {max} letters, digits or any of . _ : @ -",
    type_characters(min: usize, max: usize) = "must be {min} to {max} letters, digits or any of . _ : -",
    path_or_https = "must be a path that starts with a single / or an https: URL",
    not_https = "must be an https: URL",
    no_fragment = "must not have a fragment",
    no_credentials = "must not contain a user or a password",
    no_port = "must not name a port",
    not_a_host = "must name a host, not an address",
    unknown_push_service(host: &str) = "is of {host}, which is not a push service known here; an administrator can add it to push.endpoint_hosts",
    not_a_point = "must be a point of P-256 in base64url, 65 bytes that begin with 4",
    not_sixteen_bytes = "must be 16 bytes in base64url",
    no_audience = "must name at least one of all, roles, groups and userIds",
    too_many_ids(max: usize) = "must not name more than {max} ids",
    people_range(min: usize, max: usize) = "must name {min} to {max} people",
    in_the_past = "must not be in the past",
    too_far_ahead = "must be within a year",
    not_a_time = "must be a time",
    not_since_1970 = "is not between 1970 and now",
    seconds_range(max: u32) = "must be 0 to {max} seconds",
    one_at_least = "must name at least one",
    too_many(max: usize) = "must be at most {max}",
    too_many_groups(max: usize) = "must not be more than {max}",
    too_small(min: usize) = "must be {min} or more",
    not_a_cursor = "is not a cursor that this list gave out",
    contradicts(other: &str) = "must not be combined with {other}",
    not_an_integer = "must be an integer of 0 or more",
    not_types = "must contain types of notifications",
    not_a_time_zone = "must be a name of the IANA time zone database, for example Europe/Berlin",
    not_a_window = "must have from and to as HH:MM",
    empty_window = "must begin and end at different times of day",
    no_days = "must name days",
    not_a_language = "must be a language tag, for example de or pt-BR",
    no_letters = "must contain a letter or a digit",
    oneself = "must not be yourself",
    own_account = "cannot be changed by oneself",
    last_administrator = "would leave no administrator",
    only_administrator = "is the last administrator: make another one first",
    key_makes_no_admin = "cannot be admin for an API key",
    identities_range = "must be at most 20, each with a subject, of at most 255 bytes",
    no_username = "is missing: there is nothing to log in with",
    read_by_everybody = "was read by everybody",
    not_a_group(id: &str) = "{id} is not a group",
    unknown_field = "is not a known field",
    one_audience = "or userIds or audience must be given, and only one of them",
    two_names = "is given by two names with different values",
    given_twice = "is given twice",
    not_a_value = "is not one of the values that are allowed",
    wrong_type = "has the wrong type",
    not_of_type(what: &str) = "must be {what}",
    not_utf8 = "must be UTF-8",
    not_a_websocket = "must be websocket: this path is a WebSocket",
    not_version_13 = "must be 13",
    not_a_websocket_key = "must be 16 bytes in base64",
    not_upgradable = "cannot be upgraded",
    not_a_frame(shape: &str) = "must be {shape}",
    not_an_event = "is none of auth, ack, visibility, typing, ping and watch",
    sender = "is the sender",
    unmapped_role = "is not known: add it to auth.role_map",
    no_column(columns: &str) = "has no column {columns}",
    no_roles_file = "has no column role: OneRoster 1.2 keeps roles in roles.csv; send both files",
    no_users_file = "contains no users.csv",
    not_a_zip(why: &str) = "is not a readable zip file: {why}",
    not_unpacked(why: &str) = "cannot be unpacked: {why}",
    not_a_form(why: &str) = "is not a readable form: {why}",
    no_people = "contains no people",
    bad_roles_file(line: u64, why: &str) = "cannot be used: line {line} of roles.csv: {why}",
    open_quote(line: u64) = "has a quote in line {line} that is not closed: close it or take it out",
    quotes_across_lines(from: u64, to: u64) = "open in line {from} and close in line {to}: one is missing, or a cell contains a line break",
    cut_off = "ends too early: the file may be cut off",
    too_many_people(max: usize) = "must not contain more than {max} people",
    too_many_lines(max: usize) = "must not contain more than {max} lines",
    repeated(line: u64) = "is in line {line} already",
    not_csv = "is a zip file or a workbook of Excel: send its users.csv, or save it as CSV UTF-8",
    utf16 = "is UTF-16: save it as CSV UTF-8",
    not_utf8_in_line(line: usize) = "is not UTF-8 in line {line}: save it as CSV UTF-8",
    unreadable_line(line: u64) = "cannot be read at line {line}",
    missing_cell = "is missing: the line ends before it",
    not_yes_or_no = "must be yes or no",
    not_a_group_kind = "must be class, cohort, club or other",
    unknown_group(id: &str) = "is {id}, which is neither a group here nor in the file",
    not_a_status = "must be active or disabled",
    not_a_day = "must be a day such as 2026-11-30",
    before_it_begins = "must not be before the first day",
    not_a_grade = "must be PK, KG or 01 to 13",
    not_a_telephone_number = "must be a telephone number of 3 to 15 digits",
    not_a_mapping = "must be JSON with columns, and a role where no column has it",
    not_a_meaning(meaning: &str) = "has {meaning}, which no column can be",
    two_columns(first: &str, second: &str, meaning: &str) = "has {first} and {second} both as {meaning}",
    no_such_column(column: &str) = "has {column}, which is no column of the file",
    changed_meanwhile = "has changed since the preview",
    nobody_fits = "matches no one",
    day_range(max: u32) = "must be 1 to {max}",
    unknown_user(id: &str) = "no user has the id {id}",
    own_guardian = "must not be the child",
    not_a_pupil(id: &str) = "{id} is not a pupil",
    in_a_circle(id: &str) = "{id} is the child's own child, or a child of theirs",
    link_is_locked(id: &str) = "the link to {id} is locked, or was ended by hand: an administrator changes it",
    too_many_guardians(max: usize) = "a child must not have more than {max} guardians",
    too_many_children(max: usize) = "a guardian must not have more than {max} children",
    not_a_role = "must be student, teacher, guardian or staff",
    group_name_range(min: usize, max: usize) = "must have names of {min} to {max} characters",
    other_id = "belongs to a person with another id",
    own_id = "belongs to a person with an id of this server: let the import adopt ids",
    needed_for_new = "is needed for a new person",
    imports_no_admin = "cannot be admin: make administrators one by one",
    admin_by_hand = "is an administrator's: change that by hand",
    before_the_newest(what: &str) = "is before the newest {what} has here",
    unknown_person(id: &str) = "is {id}, who is neither here nor in the file",
}
