enum WardServerPlaceholder {}
