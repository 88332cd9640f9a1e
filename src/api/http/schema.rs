//! Schemas of the OpenAPI document, collected from the types that handlers use.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// Schemas by name.
pub type Components = BTreeMap<String, RefOr<Schema>>;

/// Adds `T`, and what it refers to, to the components, and returns a reference to it.
pub fn schema_ref<T: ToSchema>(components: &mut Components) -> Value {
    let mut nested = Vec::new();
    T::schemas(&mut nested);
    components.extend(nested);
    let name = T::name().into_owned();
    components.insert(name.clone(), T::schema());
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
