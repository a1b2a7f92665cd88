enum WardClinicPlaceholder {}
