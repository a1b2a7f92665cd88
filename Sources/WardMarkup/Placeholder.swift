enum WardMarkupPlaceholder {}
