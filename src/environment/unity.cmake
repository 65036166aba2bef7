# Compile the C++ type support of an interface package in few, large units: a third of the time.
# (The C generators' files define equal static names and stay one unit each.)
function(use_unity_builds)
  foreach(part typesupport_cpp typesupport_fastrtps_c typesupport_fastrtps_cpp
      typesupport_introspection_c)
    set(target ${PROJECT_NAME}__rosidl_${part})
    if(TARGET ${target})
      set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 24)
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL use_unity_builds)
