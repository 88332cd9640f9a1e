//! A small, believable school, so that a newcomer sees something in a minute.

use std::collections::HashMap;

use crate::app::App;
use crate::error::{Conflict, Error, Result};
use crate::limits::fair_queue::Turn;
use crate::model::audience::Audience;
use crate::model::groups::{GroupKind, NewGroup};
use crate::model::ids::{Id, UserId};
use crate::model::messages::Content;
use crate::model::notifications::{Link, NewNotification, Sent, Type, Urgency};
use crate::model::users::{DisplayName, NewUser, Origin, Role, User, Username};
use crate::store::{WriteTx, conversations, groups, messages, notifications, users};

const CLASSES: [&str; 4] = ["5A", "5B", "6A", "6B"];
const PUPILS: usize = 60;
const GUARDIANS: usize = 90;

const TEACHERS: [&str; 6] = [
    "Miriam Okafor",
    "Tomás Herrera",
    "Ingrid Sørensen",
    "Yusuf Demir",
    "Chiara Rossi",
    "Daniel Kaplan",
];
const FIRST: [&str; 30] = [
    "Amara", "Ben", "Chloé", "Diego", "Elif", "Finn", "Grace", "Hugo", "Inès", "Jonas", "Kenji",
    "Lena", "Mateo", "Noor", "Olivia", "Pablo", "Quinn", "Rania", "Sofia", "Theo", "Uma", "Victor",
    "Wanda", "Ximena", "Yara", "Zoë", "Adam", "Bianca", "Caleb", "Dalia",
];
const LAST: [&str; 30] = [
    "Abbott", "Baptiste", "Çelik", "Duarte", "Eriksen", "Farah", "García", "Haddad", "Ivanov",
    "Jansen", "Keller", "López", "Mbeki", "Nguyen", "O'Brien", "Petrov", "Quiroga", "Rahman",
    "Schmidt", "Tanaka", "Ueda", "Varga", "Weber", "Xu", "Yıldız", "Zamora", "Moreau", "Novak",
    "Olsen", "Park",
];
const TALK: [(&str, &str); 6] = [
    (
        "Good morning! How did the maths test go?",
        "Better than last time, thank you for the extra exercises.",
    ),
    (
        "Could we move Thursday's meeting to half past four?",
        "Half past four is fine. See you at the front desk.",
    ),
    (
        "The library book is three weeks late.",
        "Sorry! I will bring it back tomorrow.",
    ),
    (
        "Well done for the science project, the whole class enjoyed it.",
        "Thank you! We built the volcano twice.",
    ),
    (
        "Please remember the signed form for the museum trip.",
        "It is in the school bag already.",
    ),
    (
        "He has a cold and stays at home today.",
        "Thank you for telling me. I will put the homework online.",
    ),
];

/// A user whom the newcomer can log in as.
#[derive(Debug)]
pub struct Account {
    pub username: String,
    pub name: String,
    pub role: Role,
}

/// Fills an empty database in one commit and returns a few of the people; all have the same password.
///
/// # Errors
/// [`Conflict::NotEmpty`] when there is anybody in it.
pub async fn fill(app: &App, password: String) -> Result<Vec<Account>> {
    let hash = app.auth.passwords.hash(password, Turn::proven()).await?;
    app.store
        .write(move |tx| {
            if users::anybody_exists(tx)? {
                return Err(Error::Conflict(Conflict::NotEmpty));
            }
            let school = School::populate(tx, &hash)?;
            school.talk(tx)?;
            school.announce(tx)?;
            Ok(school.accounts())
        })
        .await
}

struct School {
    admin: User,
    teachers: Vec<User>,
    pupils: Vec<User>,
    guardians: Vec<User>,
}

impl School {
    fn populate(tx: &WriteTx, hash: &str) -> Result<Self> {
        let mut taken = HashMap::new();
        let mut add = |name: &str, role| person(tx, hash, name, role, &mut taken);
        let admin = add("Head Office", Role::Admin)?;
        let teachers: Vec<User> = TEACHERS
            .iter()
            .map(|name| add(name, Role::Teacher))
            .collect::<Result<_>>()?;
        let family = |i: usize| LAST[i * 7 % LAST.len()];
        let pupils: Vec<User> = (0..PUPILS)
            .map(|i| {
                let first = FIRST[(i * 11 + i / FIRST.len()) % FIRST.len()];
                add(&format!("{first} {}", family(i)), Role::Student)
            })
            .collect::<Result<_>>()?;
        // The first thirty pupils have two guardians, the others one.
        let guardians: Vec<User> = (0..GUARDIANS)
            .map(|i| {
                let first = FIRST[(i * 17 + 5) % FIRST.len()];
                add(&format!("{first} {}", family(i % PUPILS)), Role::Guardian)
            })
            .collect::<Result<_>>()?;
        let school = School {
            admin,
            teachers,
            pupils,
            guardians,
        };
        school.make_classes(tx)?;
        Ok(school)
    }

    fn make_classes(&self, tx: &WriteTx) -> Result<()> {
        for (i, class) in CLASSES.iter().enumerate() {
            let group = NewGroup {
                id: UserId::parse_field("id", &format!("class-{}", class.to_lowercase()))?,
                name: format!("Class {class}"),
                kind: GroupKind::Class,
                by_hand: true,
            };
            let key = groups::insert(tx, &group, tx.now)?;
            groups::add_member(tx, key, self.teachers[i].key)?;
            for pupil in self.pupils.iter().skip(i).step_by(CLASSES.len()) {
                groups::add_member(tx, key, pupil.key)?;
            }
        }
        Ok(())
    }

    /// Teachers with pupils and guardians, over the last two weeks; about every third talk is unread.
    fn talk(&self, tx: &WriteTx) -> Result<()> {
        let pupils = self.pupils.iter().take(24);
        let partners = pupils.chain(self.guardians.iter().take(24));
        for (i, partner) in partners.enumerate() {
            let teacher = &self.teachers[i % CLASSES.len()];
            let hours_ago = 14 * 24 - i as i64 * 7;
            for (turn, (question, answer)) in
                TALK.iter().cycle().skip(i).take(1 + i % 3).enumerate()
            {
                let at = tx.now.plus_seconds(-(hours_ago - turn as i64) * 3_600);
                say(&tx.at(at), teacher, partner, question)?;
                say(&tx.at(at.plus_seconds(420)), partner, teacher, answer)?;
            }
            if i % 3 != 0 {
                read(tx, teacher, partner)?;
                read(tx, partner, teacher)?;
            }
        }
        Ok(())
    }

    fn announce(&self, tx: &WriteTx) -> Result<()> {
        let everybody = Audience {
            all: true,
            ..Audience::default()
        };
        let pupils = Audience {
            groups: [UserId::parse_field("id", "class-5a")?].into(),
            ..Audience::default()
        };
        let sender = format!("user:{}", self.admin.id());
        for (days, kind, title, message, link, audience) in [
            (
                9,
                "announcement",
                "Open day on Saturday",
                "Doors open at ten. Cake stalls in the gym, science in the yard.",
                "/events/open-day",
                &everybody,
            ),
            (
                2,
                "assignment.graded",
                "Your assignment was graded",
                "Maths, fractions: see the remarks of your teacher.",
                "/assignments/12",
                &pupils,
            ),
            (
                0,
                "announcement",
                "Snow tomorrow: school starts at ten",
                "Buses run two hours late. The canteen opens at half past nine.",
                "/news/snow",
                &everybody,
            ),
        ] {
            let tx = tx.at(tx.now.plus_seconds(-days * 86_400 - 600));
            let (people, unknown) = notifications::resolve(&tx, audience)?;
            let new = NewNotification {
                kind: Type::parse(kind)?,
                title: NewNotification::parse_title(title)?,
                message: NewNotification::parse_message(message)?,
                link: Some(Link::parse(link)?),
                urgency: Urgency::Normal,
                ttl: NewNotification::TTL_DEFAULT,
                idempotency_key: None,
            };
            let sent = Sent {
                id: Id::generate(),
                recipients: people.len() as i64,
                unknown,
            };
            let key = notifications::insert(&tx, &new, &sender, &[0; 32], &sent)?;
            notifications::deliver(&tx, key, &people)?;
        }
        Ok(())
    }

    /// One of each role.
    fn accounts(&self) -> Vec<Account> {
        let some = [
            &self.admin,
            &self.teachers[0],
            &self.pupils[0],
            &self.pupils[1],
            &self.guardians[0],
        ];
        some.map(|user| Account {
            username: user.username.clone().unwrap_or_default(),
            name: user.person.name.to_string(),
            role: user.role,
        })
        .into()
    }
}

/// Adds a user under a username made of the name: `miriam.okafor`, the second one `miriam.okafor2`.
fn person(
    tx: &WriteTx,
    hash: &str,
    name: &str,
    role: Role,
    taken: &mut HashMap<String, usize>,
) -> Result<User> {
    let mut username: String = crate::model::text::fold(name)
        .chars()
        .map(|c| if c == ' ' { '.' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let count = taken.entry(username.clone()).or_insert(0);
    *count += 1;
    if *count > 1 {
        username.push_str(&count.to_string());
    }
    let new = NewUser {
        id: UserId::generate(),
        username: Some(Username::parse(&username)?),
        name: DisplayName::parse(name)?,
        email: None,
        avatar: None,
        role,
        password_hash: Some(hash.to_owned()),
        origin: Origin::Hand,
    };
    users::insert(tx, &new, tx.now)
}

fn say(tx: &WriteTx, from: &User, to: &User, text: &str) -> Result<()> {
    let content = Content::parse(text, 4_000)?;
    let members = conversations::open_pair(tx, from.key, to.key, tx.now)?;
    messages::insert(tx, &members, (from, to), content, None, false).map(drop)
}

fn read(tx: &WriteTx, reader: &User, partner: &User) -> Result<()> {
    let members = conversations::open_pair(tx, reader.key, partner.key, tx.now)?;
    messages::mark_read(tx, members.conversation, reader, partner, None).map(drop)
}
