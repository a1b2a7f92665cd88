enum WardTestKitPlaceholder {}
