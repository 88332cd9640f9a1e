//! People by id, in memory: who sends and who receives is looked up with every request.
//!
//! What must stay true: after a change to a user has been answered, no request sees the previous user. The store's sink
//! forgets users who changed before the write is answered, and a read that was under way meanwhile is not kept.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::Result;
use crate::model::ids::UserId;
use crate::model::users::User;
use crate::store::{Store, identities, sessions, users};

/// Past this many users the cache is cleared.
const MAX_USERS: usize = 100_000;

/// The user of a token, by issuer and subject.
type Links = HashMap<(String, String), UserId>;

/// The cache.
#[derive(Default)]
pub struct UserCache {
    users: RwLock<HashMap<UserId, Arc<User>>>,
    /// Rises with every change: a read that began before a change is not kept.
    generation: AtomicU64,
    /// Sessions that were logged out, and links of identities, once they were asked for.
    ended: RwLock<Option<Arc<HashSet<String>>>>,
    links: RwLock<Option<Arc<Links>>>,
}

impl UserCache {
    /// The user, from memory or from the store.
    pub async fn get(&self, store: &Store, id: &UserId) -> Result<Option<Arc<User>>> {
        let cached = {
            let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
            users.get(id).cloned()
        };
        if cached.is_some() {
            return Ok(cached);
        }
        let generation = self.generation.load(Ordering::Acquire);
        let wanted = id.clone();
        let found = store.read(move |c| users::by_id(c, &wanted)).await?;
        let Some(user) = found.map(Arc::new) else {
            return Ok(None);
        };
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            if users.len() >= MAX_USERS {
                users.clear();
            }
            users.insert(id.clone(), user.clone());
        }
        Ok(Some(user))
    }

    /// Whether this session was logged out.
    pub async fn has_ended(&self, store: &Store, session: &str) -> Result<bool> {
        let ended = self.loaded(&self.ended, store, |c| {
            Ok(sessions::ended(c)?.into_iter().collect())
        });
        Ok(ended.await?.contains(session))
    }

    /// Whom an administrator linked to this identity.
    pub async fn linked(
        &self,
        store: &Store,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserId>> {
        let links = self.loaded(&self.links, store, |c| {
            let all = identities::everybody(c)?.into_iter();
            let links = all.map(|(identity, user)| ((identity.issuer, identity.subject), user));
            Ok(links.collect::<Links>())
        });
        let links = links.await?;
        // Most schools have none, and each request would make two strings.
        if links.is_empty() {
            return Ok(None);
        }
        Ok(links.get(&(issuer.to_owned(), subject.to_owned())).cloned())
    }

    /// What is in memory, or what `load` reads.
    async fn loaded<T: Send + Sync + 'static>(
        &self,
        cache: &RwLock<Option<Arc<T>>>,
        store: &Store,
        load: impl FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Result<Arc<T>> {
        let cached = cache.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let generation = self.generation.load(Ordering::Acquire);
        let loaded = Arc::new(store.read(load).await?);
        let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            *cache = Some(loaded.clone());
        }
        Ok(loaded)
    }

    /// After a session was logged out, or an identity linked.
    pub fn forget_sessions_and_links(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = None;
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// After a change to this user.
    pub fn forget(&self, id: &UserId) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        users.remove(id);
    }

    /// After changes that are not listed.
    pub fn forget_all(&self) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        users.clear();
        drop(users);
        self.forget_sessions_and_links();
    }
}
