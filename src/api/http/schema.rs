//! Schemas of the OpenAPI document, collected from the types that handlers use.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

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

/// A value that others hold too. In the document it is the value: `Arc` would be described as a type of that name.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Shared<T>(pub Arc<T>);

impl<T: PartialSchema> PartialSchema for Shared<T> {
    fn schema() -> RefOr<Schema> {
        T::schema()
    }
}

impl<T: ToSchema> ToSchema for Shared<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}
