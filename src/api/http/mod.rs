//! How a route is served, whatever it is about: from the request to the answer, each file above those that it uses.
//!
//! | file | what it is |
//! |---|---|
//! | [`request`], [`context`] | a request before its route is known, and what of it the answer needs |
//! | [`schema`], [`failure`], [`served`] | schemas by name; errors as HTTP; what an answer carries on its way out |
//! | [`address`], [`origin`], [`cookie`], [`access`] | from where a request comes, whose page asks, by which session, and who may |
//! | [`call`] | a request on its way to a handler |
//! | [`parse`], [`compat`], [`input`] | what a handler takes, and how existing front ends spell it |
//! | [`reply`], [`download`] | what a handler returns |
//! | [`router`], [`endpoint`] | which route serves a path; a row of the URL table |
//! | [`finish`] | the last step of every answer |
//! | [`document`] | the OpenAPI document of the rows |
//! | [`upgrade`] | the handshake of a WebSocket |

pub mod access;
pub mod address;
pub mod call;
pub mod compat;
pub mod context;
pub mod cookie;
pub mod document;
pub mod download;
pub mod endpoint;
pub mod failure;
pub mod finish;
pub mod input;
pub mod origin;
pub mod parse;
pub mod reply;
pub mod request;
pub mod router;
pub mod schema;
pub mod served;
pub mod upgrade;
