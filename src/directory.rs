//! People by id, in memory: who sends and who receives is looked up with every request.
//!
//! What must stay true: after a change to a user has been answered, nobody sees the user of before. The store's sink
//! forgets whoever changed before the write is answered, and a read that was under way meanwhile is not kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::Result;
use crate::model::ids::UserId;
use crate::model::users::User;
use crate::store::{Store, users};

/// Past this many people the directory starts anew.
const MAX: usize = 100_000;

/// The cache.
#[derive(Default)]
pub struct Directory {
    users: RwLock<HashMap<UserId, Arc<User>>>,
    /// Rises with every change: a read that began before one is not kept.
    generation: AtomicU64,
}

impl Directory {
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
            if users.len() >= MAX {
                users.clear();
            }
            users.insert(id.clone(), user.clone());
        }
        Ok(Some(user))
    }

    /// After a change to this user.
    pub fn forget(&self, id: &UserId) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        users.remove(id);
    }

    /// After changes that nobody listed.
    pub fn forget_all(&self) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        users.clear();
    }
}
