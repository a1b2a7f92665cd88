enum WardKeysPlaceholder {}
