"""Arrays that callers pass: checked and converted before anything is computed with them."""
