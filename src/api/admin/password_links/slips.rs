//! Links for many, as a CSV file and as slips to print.

use std::sync::Arc;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::api::http::download::Csv;
use crate::api::http::reply::Html;
use crate::model::language::Language;
use crate::model::password_links::{LinksMade, Part, Slip};
use crate::model::qr;
use crate::model::roster::write_table;
use crate::model::school::School;

/// All that is printed.
pub struct Sheet {
    pub made: LinksMade,
    /// Where people reach the server: scheme, host and port.
    pub origin: String,
    /// The path below which it is served.
    pub base: String,
    pub school: Arc<School>,
    /// The administrator's.
    pub language: Language,
}

impl Sheet {
    pub fn csv(&self) -> Csv {
        let expires_at = self.made.expires_at.to_string();
        let rows = self.made.slips.iter().map(|slip| {
            let one = &slip.addressee;
            [
                slip.class().unwrap_or_default().to_owned(),
                one.role.to_string(),
                one.name.clone(),
                one.username.clone(),
                one.id.to_string(),
                children(slip),
                self.url(slip),
                expires_at.clone(),
            ]
        });
        let header = [
            "class", "role", "name", "username", "id", "children", "link", "expires",
        ];
        Csv {
            name: "links.csv",
            bytes: write_table(&header.map(str::to_owned), rows),
        }
    }

    pub fn page(&self) -> Html {
        let title = self.language.text("slips.title");
        let mut slips = self.made.slips.as_slice();
        let mut sections = Vec::new();
        while let [first, ..] = slips {
            let place = |slip: &Slip| (slip.part(), slip.class().map(str::to_owned));
            let (section, rest) = slips.split_at(
                slips
                    .iter()
                    .take_while(|slip| place(slip) == place(first))
                    .count(),
            );
            sections.push(self.section(first, section));
            slips = rest;
        }
        // The stylesheet and the page may be of different origins: the page is opened from memory.
        let style = format!("{}{}/admin/slips.css", self.origin, self.base);
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) dir=(self.language.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="referrer" content="no-referrer";
                    title { (title) }
                    link rel="stylesheet" href=(style);
                }
                body { @for section in &sections { (section) } }
            }
        };
        Html(page.into_string())
    }

    /// The slips of one class.
    fn section(&self, first: &Slip, slips: &[Slip]) -> Markup {
        let part = match first.part() {
            Part::Staff => "slips.staff",
            Part::Pupils => "slips.pupils",
            Part::Guardians => "slips.guardians",
        };
        let part = self.language.text(part);
        html! {
            section {
                h1 { @if let Some(class) = first.class() { (class) " · " } (part) }
                div.slips { @for slip in slips { (self.slip(slip)) } }
            }
        }
    }

    fn slip(&self, slip: &Slip) -> Markup {
        let one = &slip.addressee;
        let theirs = one.language.as_deref().map(|tag| Language::of(Some(tag)));
        let theirs = theirs.filter(|language| *language != self.language);
        let url = self.url(slip);
        html! {
            article.slip {
                (qr(&url))
                div {
                    @if !self.school.name.is_empty() { p.school { (self.school.name) } }
                    h2 { (one.name) }
                    @if !one.children.is_empty() { p.children { (children(slip)) } }
                    (self.words(self.language))
                    @if let Some(language) = theirs { (self.words(language)) }
                    p.username { (self.language.text("slips.username")) " " b { (one.username) } }
                    p.link { (url) }
                }
            }
        }
    }

    /// What to do, in one language.
    fn words(&self, language: Language) -> Markup {
        let expires_at = self.made.expires_at.to_string();
        let day = expires_at.split('T').next().unwrap_or_default();
        let until = language.text("slips.until").replace("{day}", day);
        let later = language
            .text("slips.later")
            .replace("{address}", &self.short_address());
        html! {
            p lang=(language.tag()) dir=(language.direction()) {
                (language.text("slips.how")) " " (until) " " (later)
            }
        }
    }

    fn short_address(&self) -> String {
        if !self.school.short_address.is_empty() {
            return self.school.short_address.clone();
        }
        let address = format!("{}{}", self.origin, self.base);
        let plain = address.strip_prefix("https://").map(str::to_owned);
        plain.unwrap_or(address)
    }

    fn url(&self, slip: &Slip) -> String {
        format!("{}{}", self.origin, slip.path)
    }
}

fn children(slip: &Slip) -> String {
    let children = slip.addressee.children.iter();
    let names = children.map(|(name, classes)| match classes.first() {
        Some(class) => format!("{name} ({class})"),
        None => name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// A link is short enough for a QR code.
fn qr(url: &str) -> Markup {
    let Ok(svg) = qr::svg(url) else {
        return html! {};
    };
    html! { div.code aria-hidden="true" { (PreEscaped(svg)) } }
}
