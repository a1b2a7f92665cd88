enum WardStoragePlaceholder {}
