//! What a client may say once the framing is off: `auth`, `ack`, `visibility`, `typing`, `ping`, and `watch` of
//! administrators.

use serde::Deserialize;
use tokio::time::Instant;

use super::{Phase, Reply, Session, Shows, close_code};
use crate::error::{Error, Forbidden, Unauthorized};
use crate::hub::Packet;
use crate::model::events::{CloseCode, CommandRefused, Cursor, Empty, Event};
use crate::model::ids::{IdText, Seq, UserId};
use crate::model::object::Object;
use crate::model::subscriptions::Endpoint;
use crate::model::users::Role;
use crate::rule;
use crate::service::{auth, presence};

/// Why a command was not carried out.
#[derive(Debug)]
pub enum CommandError {
    /// The connection ends.
    Close(CloseCode),
    /// The client is told, and the connection stays.
    Command(Error),
    /// The server knows no such command, or no data of this shape with it: what `/ws` says to that.
    Unknown(Error, Option<CloseCode>),
}

impl From<CloseCode> for CommandError {
    fn from(code: CloseCode) -> Self {
        CommandError::Close(code)
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        CommandError::Command(error)
    }
}

impl CommandError {
    /// Tells the client by an `error` event, where the connection stays.
    pub fn into_reply(self) -> Reply {
        match self {
            CommandError::Close(code) | CommandError::Unknown(_, Some(code)) => Err(code),
            CommandError::Command(error) | CommandError::Unknown(error, None) => {
                Ok(vec![refused(&error)])
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthData {
    token: Option<String>,
    since: Option<serde_json::Value>,
    /// Whether this client acknowledges.
    #[serde(default)]
    acks: bool,
    /// Whether the page is in the background.
    #[serde(default)]
    hidden: bool,
    /// The user of the page.
    user_id: Option<IdText>,
}

#[derive(Deserialize)]
struct VisibilityData {
    hidden: bool,
    /// The push subscription of the page's device, if the page itself shows what arrives while it is hidden.
    endpoint: Option<String>,
}

#[derive(Deserialize)]
struct AckData {
    seq: Seq,
    /// Up to where a hidden page has shown everything on its device.
    shown: Option<Seq>,
}

#[derive(Deserialize)]
struct TypingData {
    to: IdText,
    typing: bool,
}

impl Session {
    /// Takes a command; `data` is JSON.
    ///
    /// # Errors
    /// [`CommandError`], for what is none as well.
    pub async fn take(&mut self, command: &str, data: &str) -> Result<Vec<Packet>, CommandError> {
        if command == "ack" {
            return self.take_ack(data).map(|()| Vec::new());
        }
        if command == "visibility" {
            return self.take_visibility(data).map(|()| Vec::new());
        }
        if let Some(seq) = self.written.frame(None) {
            self.confirmed(seq);
        }
        match (command, &self.phase) {
            ("ping", _) => Ok(vec![Packet::new(&Event::Pong(Empty {}))]),
            ("auth", _) => self.take_auth(data).await,
            (_, Phase::Waiting { .. }) => Err(Error::Unauthorized(Unauthorized::Missing).into()),
            ("typing", _) => self.take_typing(data).await.map(|()| Vec::new()),
            ("watch", Phase::Joined { identity, .. }) => {
                if identity.user.role != Role::Admin {
                    return Err(Error::Forbidden(Forbidden::Role).into());
                }
                self.app.hub.watch(&self.inbox);
                Ok(Vec::new())
            }
            _ => {
                let why = rule::not_an_event();
                Err(CommandError::Unknown(Error::invalid("event", why), None))
            }
        }
    }

    async fn take_auth(&mut self, data: &str) -> Result<Vec<Packet>, CommandError> {
        let unknown = |code| {
            let why = rule::not_a_frame("{\"token\": text, \"since\"?: integer}");
            CommandError::Unknown(Error::invalid("data", why), Some(code))
        };
        let parsed = serde_json::from_str(data);
        let Object(data): Object<AuthData> = parsed.map_err(|_| unknown(CloseCode::BadFrame))?;
        let token = match data.token {
            Some(token) => token,
            // The page of a user whom the handshake's cookie named. Over Socket.IO, apps have an `auth` of their own.
            None if self.joined()
                && !self.written.by_heartbeat()
                && (data.acks || data.user_id.is_some()) =>
            {
                self.take_page(data.acks, data.user_id)?;
                return Ok(Vec::new());
            }
            None => return Err(unknown(CloseCode::BadToken)),
        };
        // Where a client comes from matters when it comes, and not with a newer token.
        if let Some(since) = data.since.filter(|_| !self.joined()) {
            self.resume_from(Cursor::since(since.as_i64())?);
        }
        if data.hidden {
            self.begin_hidden();
        }
        let identity = auth::identity(&self.app, &token)
            .await
            .map_err(close_code)?;
        let packets = self.authenticate(identity).await?;
        self.take_page(data.acks, data.user_id)?;
        Ok(packets)
    }

    /// What a page says about itself. A page of another user is refused on this connection.
    fn take_page(&mut self, acks: bool, user_id: Option<IdText>) -> Result<(), CloseCode> {
        if let (Some(IdText(id)), Phase::Joined { identity, .. }) = (user_id, &self.phase)
            && identity.user.id().as_str() != id
        {
            return Err(CloseCode::BadToken);
        }
        if acks && !self.written.by_heartbeat() {
            self.written.shown_by(Shows::Frames);
        }
        Ok(())
    }

    fn take_ack(&mut self, data: &str) -> Result<(), CommandError> {
        let Ok(Object(AckData { seq, shown })) = serde_json::from_str(data) else {
            let why = rule::not_a_frame("{\"seq\": integer, \"shown\"?: integer}");
            return Err(CommandError::Unknown(Error::invalid("data", why), None));
        };
        let confirmed = self.written.frame(Some(seq));
        confirmed.into_iter().for_each(|seq| self.confirmed(seq));
        if let (Some(shown), Phase::Joined { identity, .. }) = (shown, &self.phase) {
            let shown = shown.min(self.written.sent());
            self.app
                .hub
                .shown(identity.user.key, self.inbox.id(), shown);
        }
        Ok(())
    }

    fn take_visibility(&mut self, data: &str) -> Result<(), CommandError> {
        let Ok(Object(data)) = serde_json::from_str::<Object<VisibilityData>>(data) else {
            let why = rule::not_a_frame("{\"hidden\": boolean, \"endpoint\"?: text}");
            return Err(CommandError::Unknown(Error::invalid("data", why), None));
        };
        let Phase::Joined { identity, .. } = &self.phase else {
            return Err(Error::Unauthorized(Unauthorized::Missing).into());
        };
        let (user, id) = (identity.user.key, self.inbox.id());
        if data.hidden {
            let endpoint = data.endpoint.as_deref().map(Endpoint::parse).transpose()?;
            // It shows that the page is alive. What is still on its way arrives in the background, where it is not seen.
            self.written.frame(Some(0));
            let endpoint = endpoint.map(|endpoint| endpoint.as_str().into());
            self.app.hub.hide(user, id, endpoint);
        } else {
            if let Some(seq) = self.written.frame(None) {
                self.confirmed(seq);
            }
            self.app.hub.show(user, id);
        }
        Ok(())
    }

    async fn take_typing(&mut self, data: &str) -> Result<(), CommandError> {
        let Ok(Object(data)) = serde_json::from_str::<Object<TypingData>>(data) else {
            let why = rule::not_a_frame("{\"to\": id, \"typing\": boolean}");
            return Err(CommandError::Unknown(Error::invalid("data", why), None));
        };
        let to = UserId::parse_field("to", &data.to.0)?;
        if self.typing.admit(&to, data.typing, Instant::now()) {
            self.relay_typing(&to, data.typing).await?;
        }
        Ok(())
    }

    /// Relays what a partner was told too often to be told at once.
    pub(super) async fn relay_due_typing(&mut self, now: Instant) -> Vec<Packet> {
        let Some((to, typing)) = self.typing.due(now) else {
            return Vec::new();
        };
        let relayed = self.relay_typing(&to, typing).await;
        relayed.err().iter().map(refused).collect()
    }

    async fn relay_typing(&self, to: &UserId, typing: bool) -> Result<(), Error> {
        match &self.phase {
            Phase::Joined { identity, .. } => {
                presence::typing(&self.app, &identity.user, to, typing).await
            }
            Phase::Waiting { .. } => Ok(()),
        }
    }
}

fn refused(error: &Error) -> Packet {
    Packet::new(&Event::Error(CommandRefused {
        code: error.code(),
        message: error.public_message().into_owned(),
    }))
}
