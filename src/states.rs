//! State that one module keeps for an [`App`](crate::App), of which nothing else knows.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One value of each type, made when it is first asked for. The type is private to the module that asks.
#[derive(Default)]
pub struct States(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl States {
    pub fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::<T>::default())
            .clone();
        // It was put there under its own type; without it, nothing is lost but what was kept.
        state.downcast().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_value() {
        let states = States::default();
        *states.get::<Mutex<u32>>().lock().unwrap() += 2;
        assert_eq!(*states.get::<Mutex<u32>>().lock().unwrap(), 2);
        assert_eq!(*states.get::<Mutex<u64>>().lock().unwrap(), 0);
        assert_eq!(*States::default().get::<Mutex<u32>>().lock().unwrap(), 0);
    }
}
