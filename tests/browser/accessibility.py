"""Runs axe-core on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"


def find_violations(page: Page) -> list[str]:
    """Return the violations that axe-core finds in the page's current state."""
    # Colours are measured after a popover has faded in.
    page.evaluate(
        "Promise.all(document.querySelector('main').getAnimations().map(a => a.finished))"
    )
    page.evaluate(
        """Promise.all([...document.querySelectorAll('[popover]')]
            .flatMap(card => card.getAnimations()).map(animation => animation.finished))"""
    )
    page.evaluate(AXE.read_text())
    return page.evaluate(
        """axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>
            violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html}`)))"""
    )
